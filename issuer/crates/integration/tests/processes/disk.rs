//! Disks that a test may fill, copy and make read-only. To mount one takes root; where that cannot be had,
//! `MONEYER_TEST_NO_MOUNT=1` leaves out the tests that need one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How often a copy is begun anew where the disk changed meanwhile.
const COPIES: usize = 100;

/// Whether something may be mounted here; if not, it is said what is left out.
pub(crate) fn may_mount(what: &str) -> bool {
    if std::env::var_os("MONEYER_TEST_NO_MOUNT").is_some_and(|set| set == "1") {
        eprintln!("MONEYER_TEST_NO_MOUNT=1: {what} is NOT tried");
        return false;
    }
    true
}

fn mount(arguments: &[&str], at: &Path, what: &str) {
    let mounted = Command::new("mount").args(arguments).arg(at).output().unwrap();
    assert!(
        mounted.status.success(),
        "{what} cannot be tried: mounting failed ({}). Run this as root with CAP_SYS_ADMIN, or leave \
         these tests out with MONEYER_TEST_NO_MOUNT=1",
        String::from_utf8_lossy(&mounted.stderr).trim()
    );
}

/// A directory in memory, where a sync costs nothing, or elsewhere if there is no such place.
pub(crate) fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// A file system in memory of so many MiB; unmounted when dropped.
pub(crate) struct SmallDisk(pub(crate) PathBuf);

impl SmallDisk {
    /// `None` where the environment says that nothing can be mounted here.
    pub(crate) fn mount(at: PathBuf, mebibytes: u32) -> Option<Self> {
        if !may_mount("what a full disk does") {
            return None;
        }
        fs::create_dir(&at).unwrap();
        let options = format!("size={mebibytes}m,mode=0700");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], &at, "a full disk");
        Some(Self(at))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).unwrap();
        for piece in [64 * 1024, 1024, 1] {
            while ballast.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// An ext4 file system with blocks of 4 KiB, else as it is made by default, in a file that is its disk: what
/// the kernel has not yet written to the file is lost with the power. Unmounted when dropped.
pub(crate) struct ImageDisk {
    image: PathBuf,
    /// Where it is mounted.
    pub(crate) at: PathBuf,
    /// Loop devices that were made of the file, the present one last.
    devices: Vec<String>,
}

impl ImageDisk {
    /// Of so many MiB, mounted at `disk` in a directory. `None` where nothing can be mounted here.
    pub(crate) fn mount(directory: &Path, mebibytes: u64, what: &str) -> Option<Self> {
        if !may_mount(what) {
            return None;
        }
        let (image, at) = (directory.join("image"), directory.join("disk"));
        fs::File::create(&image).unwrap().set_len(mebibytes * 1024 * 1024).unwrap();
        let blocks = ["-q", "-b", "4096", "-E", "lazy_itable_init=0"];
        run(Command::new("mkfs.ext4").args(blocks).arg(&image));
        fs::create_dir(&at).unwrap();
        let mut disk = Self { image, at, devices: Vec::new() };
        disk.attach(what);
        Some(disk)
    }

    fn attach(&mut self, what: &str) {
        // A device of its own: `mount -o loop` takes one that is still there, with what failed in it.
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(&self.image));
        let device = device.trim().to_owned();
        mount(&["-t", "ext4", "-o", "errors=remount-ro", &device], &self.at, what);
        self.devices.push(device);
    }

    /// What the disk holds at one moment: of two copies that are the same, every block was so when the
    /// first ended and the second began. Nothing is synced for it.
    pub(crate) fn copy(&self) -> Vec<u8> {
        let mut before = fs::read(&self.image).unwrap();
        for _ in 0..COPIES {
            let after = fs::read(&self.image).unwrap();
            if before == after {
                return after;
            }
            before = after;
        }
        panic!("the disk changed during each of {COPIES} copies");
    }

    /// The power comes back: everything that is not in `copy` is gone, and ext4 replays its journal.
    pub(crate) fn become_again(&mut self, copy: &[u8]) {
        run(Command::new("umount").arg(&self.at));
        run(Command::new("losetup").arg("--detach").arg(self.devices.pop().unwrap()));
        fs::write(&self.image, copy).unwrap();
        self.attach("a loss of power");
    }

    /// An error makes the kernel take the file system for read-only, under whoever has files open.
    pub(crate) fn fail(&self) {
        let device = self.devices.last().and_then(|device| device.strip_prefix("/dev/")).unwrap();
        let trigger = Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error");
        fs::write(trigger, "a test").unwrap();
        assert!(fs::File::create(self.at.join("probe")).is_err(), "it is not read-only");
    }

    /// What an operator does then: the file system is checked and mounted again in its place.
    pub(crate) fn repair(&mut self) {
        run(Command::new("umount").arg("-l").arg(&self.at));
        // 1: errors were corrected.
        let checked = Command::new("e2fsck").arg("-fy").arg(&self.image).output().unwrap();
        assert!(matches!(checked.status.code(), Some(0 | 1)), "{checked:?}");
        self.attach("a disk that was repaired");
    }
}

impl Drop for ImageDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.at).status());
        for device in &self.devices {
            drop(Command::new("losetup").arg("--detach").arg(device).output());
        }
    }
}

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
