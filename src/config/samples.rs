//! The `samples` section and sample files: every sample described, found, checked and hashed.
//!
//! Invariants: ids are unique; a module that some sample describes is not taken a second time as a bare file; paths are
//! relative to the file they stand in. It knows nothing of backends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::model::sample::RunFiles;
use crate::model::{Run, Sample, SampleId, Tier};

use super::canonical_folder;
use super::find::{Found, SAMPLE_FILE, expand, literal};
use super::module::{Inspected, Interface, inspect, unreadable};
use super::problem::{Place, Problems, escaped, shown};
use super::raw::{self, Node, Value};
use super::reader::Keys;
use super::run;
use super::slug::slugify;

/// Keys of a sample file.
pub(super) const FILE_KEYS: &[&str] = &["id", "description", "module", "tier", "call", "wasi", "source"];
/// Keys of a mapping in `samples`.
pub(super) const ENTRY_KEYS: &[&str] = &["path", "id", "description", "tier", "call", "wasi", "source"];
/// Keys of `source`.
pub(super) const SOURCE_KEYS: &[&str] = &["language", "path", "licence", "toolchain", "build"];

/// A sample with what is needed to weigh it against the others.
struct Draft {
    /// Where its id comes from.
    place: Place,
    sample: Sample,
    /// Not described by anybody.
    bare: bool,
}

/// What stands in a description beside id and module.
type Described = (Option<String>, Tier, (Run, RunFiles));

/// Collects samples from any number of entries.
pub(super) struct Collector<'a> {
    /// What shown paths are relative to.
    root: &'a Path,
    problems: &'a mut Problems,
    drafts: Vec<Draft>,
    /// Sample files that were read, in canonical folders.
    seen: BTreeSet<PathBuf>,
}

impl<'a> Collector<'a> {
    pub fn new(root: &'a Path, problems: &'a mut Problems) -> Self {
        Self { root, problems, drafts: Vec::new(), seen: BTreeSet::new() }
    }

    /// Takes the value of `samples`.
    pub fn section(&mut self, place: &Place, node: Node) {
        let items = match node.value {
            Value::List(items) => items,
            Value::Nothing => Vec::new(),
            _ => {
                let message = format!("`samples` must be a list, not {}; begin each entry with `- `", node.kind());
                return self.problems.error(&node.place, message);
            }
        };
        if items.is_empty() {
            self.problems
                .error(place, "`samples` needs at least one entry: a sample file, a module, a folder or a glob");
        }
        for item in items {
            self.entry(item);
        }
    }

    fn entry(&mut self, node: Node) {
        let place = node.place.clone();
        match node.value {
            Value::Scalar(text) => {
                let found = expand(&text, self.root, self.root, &place, self.problems);
                self.found(found, &place);
            }
            Value::Mapping(_) => self.mapping(node),
            _ => {
                let message = format!("an entry of `samples` must be a path, a glob or a mapping, not {}", node.kind());
                self.problems.error(&place, message);
            }
        }
    }

    /// Takes a path that stands for itself.
    pub fn argument(&mut self, path: &Path, place: &Place) {
        let found = literal(path, self.root, place, self.problems);
        self.found(found, place);
    }

    /// Takes files that an entry at `place` led to.
    fn found(&mut self, found: Vec<Found>, place: &Place) {
        for found in found {
            match found {
                Found::Description(path) => self.description(&path, place),
                Found::Module(path) => self.bare(&path, place),
            }
        }
    }

    /// A module without a description.
    fn bare(&mut self, path: &Path, place: &Place) {
        let name = shown(path, self.root);
        let Some((module, inspected)) = self.module(path, place, "") else {
            return;
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let id = SampleId::new(stem.as_ref()).map_err(|error| {
            let slug = slugify(&stem);
            format!(
                "`{name}` gives the id `{}`: {error}; list it as a mapping with an id of its own: - {{path: …, id: {slug}}}",
                escaped(&stem)
            )
        });
        if let Some(id) = self.problems.check(place, id) {
            let run = run::by_itself(inspected.interface.as_ref());
            let sample = assemble(id, module, &inspected, Tier::Pr, None, (run, RunFiles::default()));
            self.drafts.push(Draft { place: place.clone(), sample, bare: true });
        }
    }

    /// A mapping in `samples`.
    fn mapping(&mut self, node: Node) {
        let Some(mut keys) = Keys::new(node, "a sample", ENTRY_KEYS, self.problems) else {
            return;
        };
        let place = keys.place.clone();
        if !keys.has("path") {
            self.problems.error(&place, "a sample has no `path`; name its module, relative to this file");
        }
        let path = keys.text("path", self.problems).map(|(at, path)| (at, self.root.join(path)));
        let stem =
            path.as_ref().and_then(|(_, path)| path.file_stem()).unwrap_or_default().to_string_lossy().into_owned();
        let module = path.and_then(|(at, path)| self.module(&path, &at, ""));
        self.described(keys, &stem, module, self.root);
    }

    /// A sample file. It is read once, whichever entries lead to it.
    fn description(&mut self, path: &Path, place: &Place) {
        let name: Arc<str> = shown(path, self.root).into();
        let text = match read(path) {
            Ok(text) => text,
            Err(why) => return self.problems.absent(place, &format!("`{name}`"), &why),
        };
        let path = canonical_folder(path);
        if !self.seen.insert(path.clone()) {
            return;
        }
        let node = match raw::parse(&text, &name) {
            Ok(Node { value: Value::Nothing, place }) => {
                let message = "the file is empty; describe the sample (docs/configuration.md), or delete the file to use \
                               the folder's .wasm files as they are";
                return self.problems.error(&place, message);
            }
            Ok(node) => node,
            Err((place, message)) => return self.problems.error(&place, message),
        };
        let Some(mut keys) = Keys::new(node, "a sample file", FILE_KEYS, self.problems) else {
            return;
        };
        let folder = path.parent().unwrap_or(&path).to_owned();
        let stem = default_name(&path);
        let module = if keys.has("module") {
            keys.text("module", self.problems).and_then(|(at, module)| self.module(&folder.join(module), &at, ""))
        } else {
            let remedy = "; or name the module with `module:`";
            self.module(&folder.join(format!("{stem}.wasm")), &keys.place.clone(), remedy)
        };
        self.described(keys, &stem, module, &folder);
    }

    /// The keys that sample files and mappings share.
    fn described(&mut self, mut keys: Keys, stem: &str, module: Option<(PathBuf, Inspected)>, folder: &Path) {
        let id = if keys.has("id") {
            keys.text("id", self.problems).and_then(|(place, id)| {
                let checked = SampleId::new(id.as_str())
                    .map_err(|error| format!("`{}` is no id: {error}; for example {}", escaped(&id), slugify(&id)));
                self.problems.check(&place, checked).map(|id| (place, id))
            })
        } else if module.is_some() {
            let place = keys.place.clone();
            let checked = SampleId::new(stem).map_err(|error| {
                format!("the name `{}` is no id: {error}; add `id: {}`", escaped(stem), slugify(stem))
            });
            self.problems.check(&place, checked).map(|id| (place, id))
        } else {
            None
        };
        let interface = module.as_ref().and_then(|(_, inspected)| inspected.interface.clone());
        let left_out = self.problems.left_out();
        let (description, tier, run) = self.rest(keys, interface.as_ref(), folder);
        // Without the files that it names, the sample would run in another way than it says.
        if self.problems.left_out() == left_out
            && let (Some((place, id)), Some((module, inspected))) = (id, module)
        {
            let sample = assemble(id, module, &inspected, tier, description, run);
            self.drafts.push(Draft { place, sample, bare: false });
        }
    }

    /// Everything but the id and the module; wrong parts are recorded and replaced by their defaults.
    fn rest(&mut self, mut keys: Keys, interface: Option<&Interface>, folder: &Path) -> Described {
        let problems = &mut *self.problems;
        let description = keys.text("description", problems).map(|(_, text)| text);
        let tier = keys.parsed("tier", Tier::from_str, problems).map_or(Tier::Pr, |(_, tier)| tier);
        if let Some((_, node)) = keys.take("source") {
            source(node, problems);
        }
        let run = run::read(&mut keys, interface, folder, self.root, problems);
        keys.finish(problems);
        (description, tier, run)
    }

    /// Inspects a module and makes its path canonical.
    fn module(&mut self, path: &Path, place: &Place, remedy: &str) -> Option<(PathBuf, Inspected)> {
        let canonical = || path.canonicalize().map_err(|error| unreadable(&error));
        match inspect(path).and_then(|inspected| Ok((canonical()?, inspected))) {
            Ok(found) => Some(found),
            Err(why) => {
                self.problems.absent(place, &format!("`{}`", shown(path, self.root)), &format!("{why}{remedy}"));
                None
            }
        }
    }

    /// The samples, sorted by id.
    pub fn finish(self) -> Vec<Sample> {
        let described: BTreeSet<PathBuf> =
            self.drafts.iter().filter(|draft| !draft.bare).map(|draft| draft.sample.module.clone()).collect();
        let mut bare = BTreeSet::new();
        let mut unique: BTreeMap<SampleId, Draft> = BTreeMap::new();
        for draft in self.drafts {
            let module = &draft.sample.module;
            if draft.bare && (described.contains(module) || !bare.insert(module.clone())) {
                continue;
            }
            if let Some(first) = unique.get(&draft.sample.id) {
                let message = format!(
                    "the id `{}` ({}) is taken by the sample at {} ({}); give one of them another with `id:`",
                    draft.sample.id,
                    shown(module, self.root),
                    first.place,
                    shown(&first.sample.module, self.root)
                );
                self.problems.error(&draft.place, message);
                continue;
            }
            unique.insert(draft.sample.id.clone(), draft);
        }
        unique.into_values().map(|draft| draft.sample).collect()
    }
}

fn assemble(
    id: SampleId,
    module: PathBuf,
    inspected: &Inspected,
    tier: Tier,
    description: Option<String>,
    (run, run_files): (Run, RunFiles),
) -> Sample {
    let Inspected { sha256, size, .. } = inspected;
    Sample { id, module, sha256: sha256.clone(), size: *size, tier, description, run, run_files }
}

/// A `sample.yml` is called after its folder, any other sample file after itself.
fn default_name(path: &Path) -> String {
    let named = if path.file_name().is_some_and(|name| name == SAMPLE_FILE) {
        path.parent().and_then(Path::file_name)
    } else {
        path.file_stem()
    };
    named.unwrap_or_default().to_string_lossy().into_owned()
}

/// Reads a text file of bounded size.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err("is not a regular file; name a YAML file".to_owned());
    }
    if metadata.len() > raw::MAX_FILE {
        return Err("has more than 1 MiB, which no configuration needs; name another file".to_owned());
    }
    let content = fs::read(path).map_err(|error| unreadable(&error))?;
    String::from_utf8(content)
        .map_err(|error| format!("is not UTF-8 from byte {} on; save it as UTF-8", error.utf8_error().valid_up_to()))
}

/// Where a module comes from: for readers of the file, checked for its shape only.
fn source(node: Node, problems: &mut Problems) {
    if let Some(mut keys) = Keys::new(node, "`source`", SOURCE_KEYS, problems) {
        for key in SOURCE_KEYS {
            keys.text(key, problems);
        }
        keys.finish(problems);
    }
}
