//! Uploads, and what content generators import.

use bytes::Bytes;
use md5::{Digest, Md5};

use super::answer::{Result, generic, not_allowed};
use super::args::{Args, int, text};
use super::auth::{Caller, Claim};
use super::records::HubBuild;
use super::world::World;
use crate::error::fault;
use crate::xmlrpc::{Answer, Call, Fault, Struct, Value};

impl World {
    /// Takes a piece of a file.
    pub(super) fn upload(&mut self, claim: &Claim, query: &[(String, String)], body: Bytes) -> Answer {
        if self.offline {
            return Err(Fault { code: fault::OFFLINE, message: "the hub is in maintenance".to_owned() });
        }
        let caller = self.admit(claim, "upload")?;
        let user = self.user(caller)?.id;
        let name = self.user(caller)?.name.clone();
        self.hub_time += super::price::price(true, false, 0, 0);
        self.calls.push(format!("{name} upload"));
        let asked = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let (file, folder) = (asked("filename").unwrap_or_default(), asked("filepath").unwrap_or_default());
        let verify = asked("fileverify").unwrap_or_default();
        let offset: usize = asked("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let digest = match verify {
            "adler32" => format!("{:08x}", adler2::adler32_slice(&body)),
            "md5" => md5(&body),
            other => return Err(generic(format!("Unsupported checksum type: {other}"))),
        };
        if folder.contains("..") || file.contains('/') || file.is_empty() {
            return Err(generic("Invalid upload path"));
        }
        let beside = format!("{folder}/");
        if self.uploads.iter().any(|(path, (owner, _))| path.starts_with(&beside) && *owner != user) {
            return Err(generic("Invalid upload directory, not owner"));
        }
        let path = format!("{folder}/{file}");
        let known = self.uploads.get(&path).map(|(_, content)| content.clone()).unwrap_or_default();
        if offset == 0 && asked("overwrite").is_none() && !known.is_empty() {
            return Err(generic(format!("upload path exists: {path}")));
        }
        let mut content = known.slice(..known.len().min(offset)).to_vec();
        content.resize(offset, 0);
        content.extend_from_slice(&body);
        self.uploads.insert(path, (user, Bytes::from(content)));
        let number = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(Value::from([
            ("size", number(body.len())),
            ("fileverify", Value::from(verify)),
            ("offset", number(offset)),
            ("hexdigest", Value::from(digest)),
        ]))
    }

    pub(super) fn check_upload(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["path", "name", "verify", "tail", "volume"], false)?;
        let path = format!("{}/{}", args.text("path")?, args.text("name")?);
        let Some((_, content)) = self.uploads.get(&path) else { return Ok(Value::Nil) };
        let size = Value::Int(i64::try_from(content.len()).unwrap_or(i64::MAX));
        let digest = match args.maybe_text("verify")?.as_deref() {
            Some("adler32") => Value::from(format!("{:08x}", adler2::adler32_slice(content))),
            Some("md5") => Value::from(md5(content)),
            _ => Value::Nil,
        };
        Ok(Value::from([
            ("size", size.clone()),
            ("mtime", Value::Double(self.now())),
            ("sumlength", size),
            ("hexdigest", digest),
        ]))
    }

    pub(super) fn list_generators(&self) -> Value {
        let mut all = Struct::new();
        for (generator, user) in &self.generators {
            let name = self.users.iter().find(|known| known.id == *user).map(|user| user.name.as_str());
            let users = match all.get(generator) {
                Some(Value::Struct(known)) => known.get("users").cloned(),
                _ => None,
            };
            let mut users = users.and_then(|users| users.array("users").ok()).unwrap_or_default();
            users.push(Value::from(name));
            all.insert(generator.clone(), Value::from([("id", Value::Int(1)), ("users", Value::Array(users))]));
        }
        Value::Struct(all)
    }

    /// Takes what is told of an import as the hub does: as a struct, as JSON, or as the name of a file of it.
    fn metadata(&self, told: Value, folder: &str) -> Result<Struct> {
        let told = match told {
            Value::Struct(told) => return Ok(told),
            Value::Nil => "metadata.json".to_owned(),
            Value::Text(told) => told,
            other => return Err(generic(format!("Invalid metadata: {}", other.kind()))),
        };
        let json = if told.ends_with(".json") {
            let file = self.uploads.get(&format!("{folder}/{told}"));
            let (_, content) = file.ok_or_else(|| generic(format!("No such file: {told}")))?;
            serde_json::from_slice(content)
        } else {
            serde_json::from_str(&told)
        };
        match json.map(of_json) {
            Ok(Value::Struct(told)) => Ok(told),
            _ => Err(generic("Invalid metadata, cannot be read as JSON")),
        }
    }

    pub(super) fn import(&mut self, caller: Caller, call: Call) -> Result {
        let owner = self.user(caller)?.id;
        let mut args = Args::bind(call, &["metadata", "directory", "token"], false)?;
        let (metadata, folder) = (args.take("metadata"), args.text("directory")?);
        let metadata = self.metadata(metadata, &folder)?;
        if int(&metadata, "metadata_version") != Some(0) {
            return Err(generic("Unsupported metadata version"));
        }
        let roots = list(&metadata, "buildroots")?;
        for root in &roots {
            let generator = members(root, "content_generator")?;
            let name = text(&generator, "name").unwrap_or_default().to_owned();
            if !self.generators.contains(&(name.clone(), owner)) {
                return Err(not_allowed(format!("User has no access to content generator {name}")));
            }
        }
        let build = members(&Value::Struct(metadata.clone()), "build")?;
        let part =
            |name: &str| text(&build, name).map(str::to_owned).ok_or_else(|| generic(format!("build has no {name}")));
        let (name, version, release) = (part("name")?, part("version")?, part("release")?);
        if version.contains('-') || release.contains('-') {
            return Err(generic("version and release have no dashes"));
        }
        let known = self.builds.values().find(|b| (&b.name, &b.version, &b.release) == (&name, &version, &release));
        // What failed or was cancelled is made anew of the same record.
        let recycled = match known {
            Some(build) if !matches!(build.state, 3 | 4) => return Err(generic(build.exists("COMPLETE"))),
            known => known.map(|build| build.id),
        };
        for output in list(&metadata, "output")? {
            let Value::Struct(output) = output else { return Err(generic("an output must be a struct")) };
            let file = text(&output, "filename").unwrap_or_default();
            let Some((_, content)) = self.uploads.get(&format!("{folder}/{file}")) else {
                return Err(generic(format!("No such file: {folder}/{file}")));
            };
            if text(&output, "checksum") != Some(md5(content).as_str()) {
                return Err(generic(format!("Checksum mismatch for {file}")));
            }
            if int(&output, "filesize").and_then(|size| usize::try_from(size).ok()) != Some(content.len()) {
                return Err(generic(format!("File size mismatch for {file}")));
            }
        }
        self.obey("cg_import")?;
        let extra = members(&Value::Struct(build.clone()), "extra")?;
        let (id, now) = (recycled.unwrap_or_else(|| self.new_id()), self.now());
        let source = text(&build, "source").map(str::to_owned);
        let (created, ended) = (now, Some(now));
        let record =
            HubBuild { id, name, version, release, state: 1, task: None, extra, owner, source, created, ended };
        let nvr = record.nvr();
        self.builds.insert(id, record);
        self.imported.insert(id, Value::Struct(metadata));
        Ok(Value::from([("id", Value::Int(id)), ("nvr", Value::from(nvr))]))
    }
}

fn of_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(values) => Value::Array(values.into_iter().map(of_json).collect()),
        serde_json::Value::Object(members) => {
            Value::Struct(members.into_iter().map(|(name, value)| (name, of_json(value))).collect())
        }
    }
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list(members: &Struct, name: &str) -> Result<Vec<Value>> {
    match members.get(name) {
        Some(Value::Array(values)) => Ok(values.clone()),
        _ => Err(generic(format!("metadata has no list {name}"))),
    }
}

fn members(value: &Value, name: &str) -> Result<Struct> {
    match value {
        Value::Struct(members) => match members.get(name) {
            Some(Value::Struct(inner)) => Ok(inner.clone()),
            _ => Err(generic(format!("metadata has no {name}"))),
        },
        _ => Err(generic(format!("metadata has no {name}"))),
    }
}
