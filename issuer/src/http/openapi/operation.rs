//! One operation: what is asked for at a path, and what is answered.

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// How a schema is made.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// What of an answer's fields is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerField {
    /// The revision of what is answered, for `If-Match`.
    Etag,
    /// The way to the next page.
    Link,
}

/// How whoever asks is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// An operator of the machine, or the token of somebody whom policies permit it.
    Permitted,
    /// Nobody is asked who it is.
    Open,
    /// An SVID, in one of three ways.
    Svid,
}

/// How errors are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errors {
    /// RFC 9457.
    Problem,
    /// RFC 6749 section 5.2.
    Oauth,
}

/// What is sent.
pub(super) struct Sent {
    pub(super) media_type: &'static str,
    pub(super) schema: Describe,
    pub(super) needed: bool,
    pub(super) example: Value,
}

/// An operation.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) access: Access,
    /// Parameters of the path, in its order: name, schema and example.
    pub(super) named: Vec<(&'static str, Describe, &'static str)>,
    /// An object whose members are the parameters of the query.
    pub(super) query: Option<Describe>,
    /// Whether `If-Match` is read.
    pub(super) if_match: bool,
    pub(super) sent: Option<Sent>,
    /// The status where it went well, and what is answered with it.
    pub(super) status: u16,
    pub(super) given: Option<(&'static str, Describe)>,
    pub(super) field: Option<AnswerField>,
    pub(super) errors: Errors,
    /// The statuses of errors.
    pub(super) refusals: Vec<u16>,
}

/// The schema of a type, by reference where it has a name.
pub(super) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// One, or several at once.
fn one_or_several<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    schemars::json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
}

impl Operation {
    fn new(method: Method, path: &'static str, summary: &'static str, refusals: &[u16]) -> Self {
        Self {
            method,
            path,
            summary,
            access: Access::Permitted,
            named: Vec::new(),
            query: None,
            if_match: false,
            sent: None,
            status: 200,
            given: None,
            field: None,
            errors: Errors::Problem,
            refusals: refusals.to_vec(),
        }
    }

    /// One that reads.
    pub(super) fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::GET, path, summary, &[401, 403, 500])
    }

    /// One that makes, or does.
    pub(super) fn post(path: &'static str, summary: &'static str) -> Self {
        Self::change(Method::POST, path, summary)
    }

    /// One that puts.
    pub(super) fn put(path: &'static str, summary: &'static str) -> Self {
        Self::change(Method::PUT, path, summary)
    }

    /// One that removes.
    pub(super) fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::change(Method::DELETE, path, summary).done(204)
    }

    /// A store or a log that is away refuses changes, and so does what stands in the way.
    fn change(method: Method, path: &'static str, summary: &'static str) -> Self {
        Self::new(method, path, summary, &[401, 403, 409, 429, 500, 503])
    }

    /// The path names one of these, such as the example. There may be none.
    pub(super) fn named<T: JsonSchema>(
        mut self,
        parameter: &'static str,
        example: &'static str,
    ) -> Self {
        self.named.push((parameter, of::<T>, example));
        self.refused(&[400, 404])
    }

    /// The query has the members of this type.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(of::<T>);
        self.refused(&[400])
    }

    /// A change may say which revision it is about.
    pub(super) fn if_match(mut self) -> Self {
        self.if_match = true;
        self.refused(&[400])
    }

    /// JSON is sent.
    pub(super) fn takes<T: JsonSchema>(self, example: Value) -> Self {
        self.sends("application/json", of::<T>, example)
    }

    /// One or several are sent.
    pub(super) fn takes_several<T: JsonSchema>(self, example: Value) -> Self {
        self.sends("application/json", one_or_several::<T>, example)
    }

    /// This is sent.
    pub(super) fn sends(
        mut self,
        media_type: &'static str,
        schema: Describe,
        example: Value,
    ) -> Self {
        self.sent = Some(Sent { media_type, schema, needed: true, example });
        self.refused(&[400, 413])
    }

    /// And may be left out.
    pub(super) fn or_nothing(mut self) -> Self {
        if let Some(sent) = &mut self.sent {
            sent.needed = false;
        }
        self
    }

    /// JSON is answered.
    pub(super) fn gives<T: JsonSchema>(self, status: u16) -> Self {
        self.answers(status, "application/json", of::<T>)
    }

    /// This is answered.
    pub(super) fn answers(
        mut self,
        status: u16,
        media_type: &'static str,
        schema: Describe,
    ) -> Self {
        self.status = status;
        self.given = Some((media_type, schema));
        self
    }

    /// Nothing is answered but the status.
    pub(super) fn done(mut self, status: u16) -> Self {
        self.status = status;
        self.given = None;
        self
    }

    /// The answer has this field.
    pub(super) fn field(mut self, field: AnswerField) -> Self {
        self.field = Some(field);
        self
    }

    /// Whoever asks is known so.
    pub(super) fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// It may be refused with these too.
    pub(super) fn refused(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self.refusals.sort_unstable();
        self.refusals.dedup();
        self
    }

    /// It may be refused with these and no others, in this form.
    pub(super) fn refused_only(mut self, errors: Errors, statuses: &[u16]) -> Self {
        self.errors = errors;
        self.refusals = statuses.to_vec();
        self
    }

    /// Its name: the method, and the words of the path.
    pub(super) fn id(&self) -> String {
        let path = self.path.trim_start_matches("/api/v1");
        let words =
            path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let method = self.method.as_str().to_ascii_lowercase();
        words.fold(method, |id, word| format!("{id}_{word}"))
    }
}
