//! P6 and case 180: whatever is done to a line is found, and the line is named.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{files, options, sample};
use crate::{AuditOptions, Damage, FileAudit, Finding, Head, Verified, verify};

fn walk(directory: &Path, kept: Option<Head>) -> Result<Verified, Damage> {
    verify(&directory.join("audit"), Head::default(), kept, &mut |_| {})
}

/// Which line is named, and why.
fn named(directory: &Path, kept: Option<Head>) -> (u64, Finding) {
    match walk(directory, kept) {
        Err(Damage::Line { line, finding, .. }) => (line, finding),
        other => panic!("{other:?}"),
    }
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read(path).unwrap();
    text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn p6_every_line_that_is_changed_removed_swapped_or_repeated_is_named() {
    let directory = sample(12, options()).await;
    let kept = walk(directory.path(), None).unwrap().head;
    let path = files(&directory.path().join("audit")).remove(0);
    let whole = lines(&path);
    let write = |lines: &[Vec<u8>]| fs::write(&path, lines.concat()).unwrap();
    for at in 0..whole.len() {
        let number = at as u64 + 1;
        let is_last = at + 1 == whole.len();
        let mut changed = whole.clone();
        let text = String::from_utf8(changed[at].clone()).unwrap();
        changed[at] = text.replace("sandbox_removed", "sandbox_renamed").into_bytes();
        write(&changed);
        let (line, finding) = named(directory.path(), Some(kept));
        // The last but one and the last: no third line says which of them was changed.
        let between = at + 2 == whole.len();
        assert!(line == number || between && line == number + 1, "{number}: {line} {finding:?}");
        assert_eq!(finding == Finding::Head, is_last, "{number}: {finding:?}");

        let mut removed = whole.clone();
        removed.remove(at);
        write(&removed);
        let (line, _) = named(directory.path(), Some(kept));
        assert_eq!(line, number, "{number} removed");

        let mut repeated = whole.clone();
        repeated.insert(at, whole[at].clone());
        write(&repeated);
        assert_eq!(named(directory.path(), Some(kept)).0, number + 1, "{number} repeated");

        if !is_last {
            let mut swapped = whole.clone();
            swapped.swap(at, at + 1);
            write(&swapped);
            assert_eq!(named(directory.path(), Some(kept)).0, number, "{number} swapped");
        }
    }
    write(&whole);
    assert_eq!(walk(directory.path(), Some(kept)).unwrap().lines, 12);
}

#[tokio::test]
async fn p6_lines_cut_off_at_the_end_show_beside_a_kept_head() {
    let directory = sample(5, options()).await;
    let kept = walk(directory.path(), None).unwrap().head;
    let path = files(&directory.path().join("audit")).remove(0);
    let whole = lines(&path);
    fs::write(&path, whole[..3].concat()).unwrap();
    assert_eq!(walk(directory.path(), None).unwrap().lines, 3, "the chain alone cannot tell");
    assert_eq!(named(directory.path(), Some(kept)), (4, Finding::CutOff(kept.sequence)));
    fs::write(&path, b"").unwrap();
    assert_eq!(named(directory.path(), Some(kept)), (1, Finding::CutOff(kept.sequence)));
}

/// Every bit, where the line is not the last.
#[tokio::test]
async fn p6_any_bit_of_a_line_is_noticed() {
    let directory = sample(3, options()).await;
    let path = files(&directory.path().join("audit")).remove(0);
    let whole = fs::read(&path).unwrap();
    let first = lines(&path)[0].len();
    for bit in 0..first * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        assert!(walk(directory.path(), None).is_err(), "bit {bit}");
    }
}

#[tokio::test]
async fn the_chain_is_carried_over_from_file_to_file() {
    let directory = sample(30, AuditOptions::new(600, 4096)).await;
    let audit = directory.path().join("audit");
    let found = files(&audit);
    assert!(found.len() > 5, "{found:?}");
    let verified = walk(directory.path(), None).unwrap();
    assert_eq!((verified.lines, verified.files), (30, found.len()));
    // A file that is gone, renamed, or changed at its seam.
    let middle = &found[2];
    let away = middle.with_extension("away");
    fs::rename(middle, &away).unwrap();
    let (line, finding) = named(directory.path(), None);
    assert!(line == 1 && matches!(finding, Finding::Sequence { .. }), "{line} {finding:?}");
    let other = audit.join(crate::directory::file_name(moneyer_authority::audit::Sequence(8)));
    fs::rename(&away, &other).unwrap();
    assert!(matches!(
        named(directory.path(), None),
        (_, Finding::Sequence { .. } | Finding::Name(_))
    ));
    fs::rename(&other, middle).unwrap();
    walk(directory.path(), None).unwrap();
}

/// Older files may be kept elsewhere: what is left continues a head that is known.
#[tokio::test]
async fn older_files_may_be_moved_away_and_the_log_goes_on() {
    let directory = sample(30, AuditOptions::new(600, 4096)).await;
    let audit = directory.path().join("audit");
    let found = files(&audit);
    let last_of_first = lines(&found[0]).pop().unwrap();
    let hash = crate::LineHash::of(last_of_first.strip_suffix(b"\n").unwrap());
    let sequence = crate::directory::files(&audit).unwrap()[1].0;
    let head = Head { sequence: moneyer_authority::audit::Sequence(sequence.0 - 1), hash };
    fs::remove_file(&found[0]).unwrap();
    assert!(walk(directory.path(), None).is_err());
    let verified = verify(&audit, head, None, &mut |_| {}).unwrap();
    assert_eq!(verified.head.sequence.0, 30);
    let log = FileAudit::open(&audit, options()).unwrap();
    assert_eq!(super::durable(&log, "after").await.0, 31);
    log.close().await;
    // Down to one file, and that one is enough to go on.
    for path in files(&audit).iter().rev().skip(1) {
        fs::remove_file(path).unwrap();
    }
    let log = FileAudit::open(&audit, options()).unwrap();
    assert_eq!(super::durable(&log, "after").await.0, 32);
    log.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Lines of any events are read back as a chain, and any byte that is put elsewhere breaks it.
    #[test]
    fn any_events_make_a_chain_and_any_byte_breaks_it(
        texts in prop::collection::vec("\\PC{0,40}", 2..8),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (mut text, mut head) = (Vec::new(), Head::default());
        let mut last = 0;
        for value in &texts {
            last = text.len();
            let event = serde_json::to_vec(&serde_json::json!({ "text": value })).unwrap();
            head = crate::line::append(&mut text, head, &event);
        }
        let directory = tempfile::tempdir().unwrap();
        let audit = directory.path().join("audit");
        fs::create_dir(&audit).unwrap();
        let path = audit.join(crate::directory::file_name(moneyer_authority::audit::Sequence(1)));
        fs::write(&path, &text).unwrap();
        prop_assert_eq!(walk(directory.path(), Some(head)).unwrap().head, head);
        let at = at.index(text.len());
        prop_assume!(text[at] != byte);
        text[at] = byte;
        fs::write(&path, &text).unwrap();
        // In the last line only the kept head tells.
        prop_assert!(walk(directory.path(), Some(head)).is_err());
        prop_assert!(at >= last || walk(directory.path(), None).is_err());
    }
}
