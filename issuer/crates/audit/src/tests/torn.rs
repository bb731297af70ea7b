//! Case 180: what a crash leaves at the end, and what no crash leaves.

use std::fs;

use super::{durable, files, options, read, sample};
use crate::{FileAudit, Head, OpenError, verify};

/// The last line cut at every byte: the log goes on, and what was cut is kept beside.
#[tokio::test]
async fn case_180_a_torn_last_line_is_set_aside_wherever_it_was_torn() {
    let directory = sample(3, options()).await;
    let audit = directory.path().join("audit");
    let path = files(&audit).remove(0);
    let whole = fs::read(&path).unwrap();
    let two = whole.split_inclusive(|byte| *byte == b'\n').take(2).map(<[u8]>::len).sum::<usize>();
    for length in two..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let log = FileAudit::open(&audit, options()).unwrap();
        assert_eq!(durable(&log, "after").await.0, 3, "{length}");
        log.close().await;
        let kept: Vec<_> = fs::read_dir(&audit)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().contains(".torn"))
            .collect();
        assert_eq!(kept.len(), usize::from(length > two), "{length}");
        for path in kept {
            assert_eq!(fs::read(&path).unwrap(), whole[two..length]);
            fs::remove_file(path).unwrap();
        }
        let verified = verify(&audit, Head::default(), None, &mut |_| {}).unwrap();
        assert_eq!((verified.lines, verified.unfinished_bytes), (3, 0));
        assert_eq!(read(&audit)[2]["sandbox"], "after");
    }
}

/// A reader beside a writer takes a line that is being written for no damage.
#[tokio::test]
async fn a_line_that_is_being_written_is_no_damage_to_a_reader() {
    let directory = sample(3, options()).await;
    let audit = directory.path().join("audit");
    let path = files(&audit).remove(0);
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"seq\":4,");
    fs::write(&path, &text).unwrap();
    let verified = verify(&audit, Head::default(), None, &mut |_| {}).unwrap();
    assert_eq!((verified.lines, verified.unfinished_bytes), (3, 9));
}

#[tokio::test]
async fn case_180_a_break_in_the_middle_refuses_the_start_and_is_named() {
    let directory = sample(4, options()).await;
    let audit = directory.path().join("audit");
    let path = files(&audit).remove(0);
    let whole = fs::read_to_string(&path).unwrap();
    for (from, to, line) in [("s-1", "s-9", 3), ("\"seq\":3", "\"seq\":4", 3), ("s-0", "s-\"", 1)] {
        fs::write(&path, whole.replace(from, to)).unwrap();
        let error = FileAudit::open(&audit, options()).unwrap_err();
        assert!(error.is_damage(), "{error:?}");
        let OpenError::Damaged(damage) = error else { panic!("{error:?}") };
        let place = format!("{}:{line}: ", path.display());
        assert!(damage.to_string().starts_with(&place), "{damage}");
    }
    fs::write(&path, whole).unwrap();
    drop(FileAudit::open(&audit, options()).unwrap());
}

#[tokio::test]
async fn only_so_many_torn_lines_are_kept() {
    let directory = sample(1, options()).await;
    let audit = directory.path().join("audit");
    let path = files(&audit).remove(0);
    let whole = fs::read(&path).unwrap();
    let torn = |number: usize| {
        let end = if number == 0 { ".torn".to_owned() } else { format!(".torn.{number}") };
        format!("{}{end}", path.display())
    };
    for number in 0..999 {
        fs::write(torn(number), "").unwrap();
    }
    fs::write(&path, [&whole[..], b"torn"].concat()).unwrap();
    FileAudit::open(&audit, options()).unwrap().close().await;
    assert_eq!(fs::read(torn(999)).unwrap(), b"torn");
    fs::write(&path, [&whole[..], b"torn"].concat()).unwrap();
    FileAudit::open(&audit, options()).unwrap_err();
    assert_eq!(fs::read(&path).unwrap().len(), whole.len() + 4, "nothing was cut off");
}
