//! Texts as the languages write them that configurations are printed in.
//!
//! An audience may hold any visible ASCII character, so that every value is quoted: what is pasted means
//! what was printed.

/// A JSON string, which is a YAML one as well.
pub(super) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A word of a POSIX shell.
pub(super) fn shell(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:@=,+".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A string of Terraform's language, in which `${` and `%{` begin templates.
pub(super) fn hcl(text: &str) -> String {
    json(text).replace("${", "$${").replace("%{", "%%{")
}

/// A string of Snowflake's SQL, in which a backslash begins an escape.
pub(super) fn sql(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// A name that Terraform and others take: letters, digits and `_`.
pub(super) fn identifier(text: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = text.chars().map(letter).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_quotes() {
        let hostile = r#"a'b"c\${d}%{e};f"#;
        assert_eq!(shell(hostile), r#"'a'\''b"c\${d}%{e};f'"#);
        assert_eq!(shell("https://id.example.com"), "https://id.example.com");
        assert_eq!((shell(""), shell("a b")), ("''".to_owned(), "'a b'".to_owned()));
        assert_eq!(json(hostile), r#""a'b\"c\\${d}%{e};f""#);
        assert_eq!(hcl(hostile), r#""a'b\"c\\$${d}%%{e};f""#);
        assert_eq!(sql(hostile), r#"'a''b"c\\${d}%{e};f'"#);
        assert_eq!(sql(r"\');DROP--"), r"'\\'');DROP--'");
        assert_eq!((identifier("web-1.a"), identifier("1a")), ("web_1_a".into(), "_1a".into()));
    }
}
