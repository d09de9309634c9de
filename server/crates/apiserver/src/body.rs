//! Request bodies: from bytes of some media type to the JSON value of the kind asked for.

use client::Body;
use serde_json::Value;
use shared::Status;

use crate::refuse::{self, MAX_BODY_BYTES};
use crate::server::{Context, Phase, Target};
use crate::value::{self, field};
use crate::yaml;

/// How much of a body that cannot be read is quoted back, in bytes.
const MAX_QUOTED_BYTES: usize = 70;

/// Media types that bodies come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
    Protobuf,
}

impl Media {
    /// Reads a `Content-Type` header; none at all is JSON. `None` for a type that is not served.
    pub(crate) fn parse(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "" | "*/*" | "application/json" => Some(Self::Json),
            "application/yaml" => Some(Self::Yaml),
            "application/vnd.kubernetes.protobuf" => Some(Self::Protobuf),
            _ => None,
        }
    }
}

/// The object in a request's body, as the kind (or the subresource's kind) it should be; nulls are gone, fields are
/// checked as `fieldValidation` says.
pub(crate) fn object(target: &Target<'_>, ctx: &mut Context<'_>) -> Result<Value, Status> {
    ctx.observer.enter(Phase::Decode);
    let expected = Expected::of(target);
    let (mut value, duplicates) = match &target.request.body {
        Body::Object(value) => (value.clone(), Vec::new()),
        Body::Encoded {
            content_type,
            bytes,
        } => expected.decode(target, content_type, bytes)?,
        Body::None | Body::Patch(..) => expected.decode(target, "", b"")?,
    };
    expected.check_type(&mut value)?;
    checked(target, &mut value, duplicates, ctx)?;
    Ok(value)
}

/// Checks the fields of a decoded object against the schema and drops what the kind does not have.
fn checked(
    target: &Target<'_>,
    value: &mut Value,
    duplicates: Vec<String>,
    ctx: &mut Context<'_>,
) -> Result<(), Status> {
    let expected = Expected::of(target);
    let refused = |why: String| refuse::cannot_be_handled(expected.version, expected.kind, &why);
    let found = complaints(target, value).map_err(refused)?;
    judge(target, duplicates.into_iter().chain(found).collect(), ctx).map_err(refused)
}

/// What `fieldValidation` decides about in an object of the target's kind, which is left in its canonical form; the
/// error is for what no object may have.
pub(crate) fn complaints(target: &Target<'_>, value: &mut Value) -> Result<Vec<String>, String> {
    let expected = Expected::of(target);
    let found = target.check_fields(&expected.api_version, expected.kind, value)?;
    target.canonical(&expected.api_version, expected.kind, value);
    Ok(found)
}

/// The same for a new state of a stored object: what is as it was stored needs no second look.
pub(crate) fn complaints_of_changes(
    target: &Target<'_>,
    new: &mut Value,
    old: &Value,
) -> Result<Vec<String>, String> {
    let fields = value::as_object(new);
    let same: Vec<String> = fields
        .iter()
        .filter(|(name, field)| {
            !matches!(name.as_str(), "kind" | "apiVersion")
                && old.get(name.as_str()) == Some(*field)
        })
        .map(|(name, _)| name.clone())
        .collect();
    let kept: Vec<(String, Value)> = same
        .into_iter()
        .filter_map(|name| fields.remove(&name).map(|field| (name, field)))
        .collect();
    let found = complaints(target, new)?;
    value::as_object(new).extend(kept);
    Ok(found)
}

/// Refuses what was found under `fieldValidation=Strict`, else warns of it unless it is `Ignore` (KEP-2885).
pub(crate) fn judge(
    target: &Target<'_>,
    complaints: Vec<String>,
    ctx: &mut Context<'_>,
) -> Result<(), String> {
    match target.request.options.field_validation.as_str() {
        _ if complaints.is_empty() => {}
        "Strict" => return Err(format!("strict decoding error: {}", complaints.join(", "))),
        "Ignore" => {}
        _ => ctx.warnings.extend(complaints),
    }
    Ok(())
}

/// The options in the body of a delete: an object, or nothing.
pub(crate) fn options(target: &Target<'_>) -> Result<Value, Status> {
    let mut value = match &target.request.body {
        Body::None => Value::Null,
        Body::Object(value) | Body::Patch(_, value) => value.clone(),
        Body::Encoded { bytes, .. } if bytes.is_empty() => Value::Null,
        Body::Encoded {
            content_type,
            bytes,
        } => {
            let media = Media::parse(content_type).ok_or_else(unknown_format)?;
            parse(target, media, bytes).map_err(|why| {
                Status::bad_request(format!("unable to decode DeleteOptions: {why}"))
            })?
        }
    };
    value::strip_nulls(&mut value);
    Ok(value)
}

/// What a body should hold.
struct Expected {
    group: &'static str,
    version: &'static str,
    api_version: String,
    kind: &'static str,
}

impl Expected {
    fn of(target: &Target<'_>) -> Self {
        let row = target.kind;
        let (mut group, mut version, mut kind) = (row.group, row.version, row.kind);
        if let Some(sub) = row.subresource(&target.request.subresource) {
            kind = sub.kind;
            if !sub.version.is_empty() {
                (group, version) = (sub.group, sub.version);
            }
        }
        let api_version = if group.is_empty() {
            version.into()
        } else {
            format!("{group}/{version}")
        };
        Self {
            group,
            version,
            api_version,
            kind,
        }
    }

    fn decode(
        &self,
        target: &Target<'_>,
        content_type: &str,
        bytes: &[u8],
    ) -> Result<(Value, Vec<String>), Status> {
        if bytes.len() > MAX_BODY_BYTES {
            return Err(refuse::too_large());
        }
        let media = Media::parse(content_type).ok_or_else(unknown_format)?;
        let value = parse(target, media, bytes).map_err(|why| self.unrecognized(&why, bytes))?;
        if !value.is_object() {
            let what = type_name(&value);
            let why = format!(
                "json parse error: json: cannot unmarshal {what} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
            );
            return Err(self.unrecognized(&why, bytes));
        }
        let duplicates = match media {
            _ if target.request.options.field_validation == "Ignore" => Vec::new(),
            Media::Json => schema::duplicate_fields(bytes),
            Media::Yaml => yaml::duplicate_keys(bytes).into_iter().collect(),
            Media::Protobuf => Vec::new(),
        };
        Ok((value, duplicates))
    }

    fn unrecognized(&self, why: &str, bytes: &[u8]) -> Status {
        let (kind, quoted) = (self.kind, quote(bytes));
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why} ({quoted})"
        ))
    }

    /// Checks `kind` and `apiVersion`, filling in what is missing.
    fn check_type(&self, value: &mut Value) -> Result<(), Status> {
        let (api_version, kind) = (
            field(value, "apiVersion").to_owned(),
            field(value, "kind").to_owned(),
        );
        let fields = value::as_object(value);
        if api_version.is_empty() && kind.is_empty() {
            fields.insert("apiVersion".into(), self.api_version.clone().into());
            fields.insert("kind".into(), self.kind.into());
            return Ok(());
        }
        if api_version == self.api_version && kind == self.kind {
            return Ok(());
        }
        let is_known = shared::kind::find_by_kind(&api_version, &kind).is_some();
        let why = match (kind.is_empty(), api_version.is_empty(), is_known) {
            (true, ..) => "Object 'Kind' is missing".to_owned(),
            (_, true, _) => "Object 'apiVersion' is missing".to_owned(),
            (.., true) => {
                let group = if self.group.is_empty() {
                    "core"
                } else {
                    self.group.split('.').next().unwrap_or("core")
                };
                let version = api_version.rsplit('/').next().unwrap_or_default();
                format!(
                    "converting ({version}.{kind}) to ({group}.{}): unknown conversion",
                    self.kind
                )
            }
            (.., false) => format!(
                "no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
            ),
        };
        let sent = if kind.is_empty() { self.kind } else { &kind };
        Err(Status::bad_request(format!(
            "{sent} in version \"{}\" cannot be handled as a {}: {why}",
            self.version, self.kind
        )))
    }
}

fn unknown_format() -> Status {
    Status::failure(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

/// Parses a body of a media type; the error is in the original's words.
fn parse(target: &Target<'_>, media: Media, bytes: &[u8]) -> Result<Value, String> {
    match media {
        Media::Json => serde_json::from_slice(bytes).map_err(|e| {
            if e.is_eof() {
                "json parse error: unexpected end of JSON input".into()
            } else {
                format!("json parse error: {e}")
            }
        }),
        Media::Yaml => yaml::parse(bytes),
        Media::Protobuf => target
            .schema
            .decode_protobuf(bytes)
            .map_err(|e| e.to_string()),
    }
}

/// What Go calls the type of a JSON value.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Quotes a body back: as text when it looks like JSON, else in hexadecimal.
fn quote(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_QUOTED_BYTES).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() {
        " ..."
    } else {
        ""
    };
    match shown.first() {
        None => "<empty>".into(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => format!(
            "{}{more}",
            shown.iter().map(|b| format!("{b:02x}")).collect::<String>()
        ),
    }
}
