use proptest::prelude::*;

use super::*;

#[test]
fn a_path_has_one_form_and_a_query_is_left_alone() {
    for (text, path, query) in [
        ("/", "/", None),
        ("/a/b/", "/a/b/", None),
        ("/a?", "/a", Some("")),
        ("/a?b=/../c;d&e=%2f", "/a", Some("b=/../c;d&e=%2f")),
        ("/a?b?c", "/a", Some("b?c")),
        ("/%61%2Db", "/a-b", None),
        ("/%c3%a9", "/%C3%A9", None),
        ("/a%20b", "/a%20b", None),
        ("/a%3bb", "/a%3Bb", None),
        ("/50%25", "/50%25", None),
        ("/a:b@c,d=e+f!", "/a:b@c,d=e+f!", None),
        ("/...", "/...", None),
    ] {
        let target = RequestTarget::parse(text).unwrap();
        assert_eq!((target.path(), target.query()), (path, query), "{text}");
    }
}

#[test]
fn case_140_what_servers_read_in_different_ways_is_refused() {
    use TargetError::{Character, Escape, NoPath, Segment};
    for (text, why) in [
        ("/a/../b", Segment),
        ("/a/..", Segment),
        ("/..", Segment),
        ("/./a", Segment),
        ("/a/.", Segment),
        ("//", Segment),
        ("//a", Segment),
        ("/a//b", Segment),
        ("/a//", Segment),
        ("/%2e%2e/a", Segment),
        ("/%2E/a", Segment),
        ("/.%2e/a", Segment),
        ("/a/..;/b", Character),
        ("/a;x=1", Character),
        ("/a\\..\\b", Character),
        ("/a#b", Character),
        ("/a?b#c", Character),
        ("/a b", Character),
        ("/a\tb", Character),
        ("/a\r\nX: y", Character),
        ("/a\0", Character),
        ("/\u{e9}", Character),
        ("/a?\u{e9}", Character),
        ("/a?b c", Character),
        ("/<a>", Character),
        ("/a%2fb", Escape),
        ("/a%5Cb", Escape),
        ("/a%00", Escape),
        ("/a%0d%0aX", Escape),
        ("/a%7f", Escape),
        ("/%252e%252e/a", Escape),
        ("/%252fa", Escape),
        ("/pub/%25%32%65%25%32%65/admin", Escape),
        ("/%25%32%66", Escape),
        ("/%252%65", Escape),
        ("/%25%32e", Escape),
        ("/%25%36%31dmin", Escape),
        ("/%2525%32%65", Escape),
        ("/%", Escape),
        ("/%2", Escape),
        ("/%zz", Escape),
        ("/%u002e", Escape),
        ("", NoPath),
        ("*", NoPath),
        ("a", NoPath),
        ("http://allowed.example/", NoPath),
        ("?a", NoPath),
    ] {
        assert_eq!(RequestTarget::parse(text), Err(why), "{text:?}");
    }
}

#[test]
fn case_140_a_target_has_a_longest_length_and_not_one_byte_more() {
    let longest = format!("/{}", "x".repeat(MAXIMUM_TARGET_BYTES - 1));
    assert_eq!(RequestTarget::parse(&longest).unwrap().path(), longest);
    assert_eq!(RequestTarget::parse(&format!("{longest}x")), Err(TargetError::TooLong));
    assert_eq!(
        RequestTarget::parse(&format!("/{}", "a/".repeat(32 * 1024))),
        Err(TargetError::TooLong)
    );
}

#[test]
fn a_parameter_is_read_decoded_and_as_often_as_it_stands() {
    let target = RequestTarget::parse("/?a=1&b=2&%61=x+y%20z&a&c=%zz&=5").unwrap();
    let values = |name| target.values(name).collect::<Vec<_>>();
    assert_eq!(values("a"), ["1", "x y z", ""]);
    assert_eq!(values("c"), ["%zz"]);
    assert_eq!(values("d"), Vec::<String>::new());
}

proptest! {
    #[test]
    fn the_form_of_a_path_is_its_own_form(text in "/[ -~\u{e9}]{0,40}") {
        if let Ok(target) = RequestTarget::parse(&text) {
            prop_assert_eq!(RequestTarget::parse(target.as_str()), Ok(target.clone()));
            let segments = target.path().trim_end_matches('/').split('/').skip(1);
            for segment in segments {
                prop_assert!(!matches!(segment, "" | "." | ".."));
                prop_assert!(!segment.contains([';', '\\']) && !segment.contains("%2F"));
            }
        }
    }

    #[test]
    fn escapes_make_no_difference_where_they_need_not_be(text in "/[a-z.]{0,12}", at in 0_usize..12) {
        let escaped: String = text.char_indices().map(|(place, c)| {
            if place == at && c != '/' { format!("%{:02x}", u32::from(c)) } else { c.to_string() }
        }).collect();
        prop_assert_eq!(RequestTarget::parse(&escaped), RequestTarget::parse(&text));
    }
}
