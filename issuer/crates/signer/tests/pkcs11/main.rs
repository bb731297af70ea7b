//! The PKCS#11 signer over SoftHSM2, the real library, with a token made for each test.
//!
//! SoftHSM2 finds its tokens by an environment variable, and a process that changes its own environment is one
//! with undefined behaviour: so each test starts this very program again with the variable set, and names the
//! test in `inner` that is to run there. Without SoftHSM2 they fail and say what to install.

#[cfg(test)]
mod inner;
#[cfg(test)]
mod token;

#[cfg(test)]
use token::run_with_token;

#[test]
fn the_pkcs11_signer_is_a_signer() {
    run_with_token("inner::is_a_signer");
}

#[test]
fn a_lost_session_and_a_lost_log_in_are_opened_anew() {
    run_with_token("inner::lost_sessions");
}

#[test]
fn a_module_that_is_away_hinders_no_start_and_comes_back_by_itself() {
    run_with_token("inner::away_and_back");
}

#[test]
fn a_refused_pin_is_tried_once() {
    run_with_token("inner::refused_pin");
}

#[test]
fn keys_cannot_be_taken_out_and_others_see_them_by_their_thumbprint() {
    run_with_token("inner::kept_keys");
}

#[test]
fn a_key_that_is_gone_is_named_and_hinders_no_other() {
    run_with_token("inner::gone");
}

#[test]
fn a_module_that_takes_too_long_is_not_waited_for() {
    run_with_token("inner::slow");
}
