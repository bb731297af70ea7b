//! The machine figures were made on.

use std::fs;

use serde::Serialize;

/// What a reader has to know of the machine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// The processor's name as the kernel gives it.
    pub(super) processor: String,
    /// Cores this process may use.
    pub(super) cores: usize,
    /// Memory in MiB.
    pub(super) memory_mib: u64,
    /// The kernel's release.
    pub(super) kernel: String,
}

impl Machine {
    /// This machine; what the kernel does not say is "unknown" or 0.
    pub(super) fn this() -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        Self {
            processor: processor(&file("/proc/cpuinfo")).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: memory_mib(&file("/proc/meminfo")).unwrap_or(0),
            kernel,
        }
    }
}

fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim_end())
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_files_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some(R) CPU @ 2 GHz\nstepping\t: 2\n";
        assert_eq!(processor(cpuinfo), Some("Some(R) CPU @ 2 GHz"));
        assert_eq!(processor("processor : 0\n"), None);
        assert_eq!(memory_mib("MemTotal:       24689664 kB\nMemFree: 1 kB\n"), Some(24111));
        assert_eq!(memory_mib("MemTotal: many\n"), None);
    }
}
