//! The command: start, register, verify, report, wait.

use std::path::PathBuf;

use clap::Args;
use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticatedOperator, LocalPeer};
use moneyer_authority::registry::{AppChange, EndingChange, Sandbox};
use moneyer_daemon::lifecycle::{Signal, signals};
use moneyer_daemon::progress::Progress;
use moneyer_daemon::settings::Source;
use moneyer_identity::{
    AppName, Clock as _, Expectations, RunnerId, SandboxId, SystemClock, VerifiedToken,
};

use crate::app::App;
use crate::cli::dev::layout::{Layout, RUNNER};
use crate::cli::dev::report::Summary;
use crate::cli::dev::runner_process::RunnerProcess;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, json, print};
use crate::cli::serve::{guarded_clock, harden, start_logging, watch};
use crate::cli::verification::verifier_of;
use crate::config::Config;

/// What `dev` is told.
#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// Where keys, records and configuration are kept. Made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "moneyer-dev")]
    dir: PathBuf,
    /// Do everything once, verify the token, and end.
    #[arg(long)]
    once: bool,
}

/// Runs until interrupted, or once.
pub(crate) async fn run(arguments: &DevArguments, output: Output) -> Result<(), Failure> {
    let layout = Layout::prepare(&arguments.dir)?;
    let source = Source::read(&layout.config(), "MONEYER")?;
    let (config, charter) = Config::load(&source)?;
    start_logging(&config)?;
    harden()?;
    let mut signals = signals().map_err(|error| Failure::of("cannot catch signals", &error))?;
    let progress = Progress::start("starting the coordinator");
    let clock = guarded_clock(&config)?;
    let app = App::start(&config, charter, clock.clone()).await?;
    let watch = watch(clock.clone());
    progress.finish("the coordinator runs");
    let (runner, summary, verified) = match demonstrate(&layout, &app).await {
        Ok(demonstrated) => demonstrated,
        Err(failure) => {
            app.stop().await;
            return Err(failure);
        }
    };
    summary.save(&layout)?;
    if output.is_json() {
        json(&summary)?;
    } else {
        print(&summary.describe(&verified)?)?;
    }
    if !arguments.once {
        print("\nPress Ctrl-C to stop; the next start goes on from here.\n")?;
        while signals.recv().await != Signal::Terminate {}
    }
    runner.stop().await;
    watch.abort();
    clock.keep_or_say();
    app.stop().await;
    Ok(())
}

/// Joins the runner, registers the demo sandbox, and verifies its token from the outside.
async fn demonstrate(
    layout: &Layout,
    app: &App,
) -> Result<(RunnerProcess, Summary, VerifiedToken), Failure> {
    let authority = app.authority();
    let uid = rustix::process::geteuid().as_raw();
    let operator = LocalPeer { uid }
        .authenticate(uid, &[])
        .map_err(|error| Failure::of("this user is no operator", &error))?;
    let progress = Progress::start("starting the runner proxy");
    let mut runner = RunnerProcess::start(layout, authority, &operator).await?;
    let sandbox = register(authority, &operator).await?;
    let environment = runner.attach(&sandbox).await?;
    progress.finish("the runner proxy runs");
    let issuer = authority.issuer();
    let summary = Summary::new(layout, issuer.clone(), app.addresses(), &environment)?;
    let token = std::fs::read_to_string(summary.token_file())
        .map_err(|error| Failure::of("cannot read the sandbox's token file", &error))?;
    let audience = authority.charter().policy.default_audience().clone();
    let verified = verifier_of(&issuer)
        .await?
        .verify(&token, &Expectations::exactly(audience), SystemClock.now())
        .map_err(|error| Failure::new(format!("the minted token is refused: {error}")))?;
    Ok((runner, summary, verified))
}

async fn register(
    authority: &Authority,
    operator: &AuthenticatedOperator,
) -> Result<SandboxId, Failure> {
    let name = |error| Failure::of("a demo name", &error);
    let app = AppName::parse("demo").map_err(name)?;
    let id = SandboxId::parse("demo-1").map_err(name)?;
    let runner = RunnerId::parse(RUNNER).map_err(name)?;
    let now = authority.now();
    let registry = authority.registry();
    let change = AppChange {
        name: app.clone(),
        audiences: Vec::new(),
        accounts: None,
        spiffe_ending: EndingChange::AsBefore,
    };
    let registered = |error| Failure::of("cannot register the demo sandbox", &error);
    registry.put_app(operator, change, now).await.map_err(registered)?;
    let sandbox = Sandbox { id: id.clone(), app, runner, role: None, placed_at: now };
    registry.put_sandbox(operator, sandbox).await.map_err(registered)?;
    Ok(id)
}
