//! Stream expansion: of a document that leaves a choice of streams, one combination of them for each build.

use std::collections::{BTreeMap, BTreeSet};

use crate::base_streams::BaseStreams;
use crate::context::declared_context;
use crate::id::{Context, ModuleName, StreamName};
use crate::modulemd::{Dependencies, FieldPath, ModuleStream, Problem, Rule, Xmd, XmdMap};

/// How many modules a block of dependencies may be built against. Each is looked up.
const MOST_REQUIRED: usize = 200;

/// The streams that modules have, for those that a document names without a stream.
pub(crate) type Known = BTreeMap<ModuleName, BTreeSet<StreamName>>;

/// What one build of a document is built against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Combination {
    /// The document of this build: one block of dependencies, with one stream of each build requirement.
    pub(crate) stream: ModuleStream,
    /// The build requirements.
    pub(crate) chosen: BTreeMap<ModuleName, StreamName>,
    /// Those of them whose stream the document did not name.
    pub(crate) offered: BTreeSet<ModuleName>,
}

/// Returns the modules that a document names without a stream.
pub(crate) fn open_modules(stream: &ModuleStream) -> BTreeSet<ModuleName> {
    let blocks = stream.dependencies.iter();
    let lists = blocks.flat_map(|block| block.buildrequires.iter().chain(&block.requires));
    lists.filter(|(_, list)| is_open(list)).filter_map(|(module, _)| ModuleName::new(module).ok()).collect()
}

/// Returns the streams that `xmd.mbs_options.contexts` makes of a document: one with a static context for each; absent
/// when there are none. They take the place of the document's dependencies.
///
/// # Errors
/// When a context is none, or does not name exactly one stream of each module, or there are more than `most`.
pub(crate) fn named_contexts(stream: &ModuleStream, most: usize) -> Result<Option<Vec<ModuleStream>>, Vec<Problem>> {
    let contexts = stream.xmd.get("mbs_options").and_then(|options| options.get("contexts"));
    let Some(contexts) = contexts else { return Ok(None) };
    let place = ["xmd", "mbs_options", "contexts"];
    let Some(contexts) = map(contexts).filter(|contexts| !contexts.is_empty()) else {
        let hint = "write `contexts:` with a mapping of buildrequires and requires for each context";
        return Err(vec![Problem::new(Rule::StaticContext, FieldPath::new(place), "there are no contexts", hint)]);
    };
    let count = contexts.iter().count();
    if count > most {
        return Err(vec![too_many(count, most)]);
    }
    let mut common = stream.clone();
    if let Xmd::Map(xmd) = &mut common.xmd
        && let Some(Xmd::Map(mut options)) = xmd.remove("mbs_options")
    {
        options.remove("contexts");
        xmd.insert("mbs_options".to_owned(), Xmd::Map(options));
    }
    let (mut streams, mut problems) = (Vec::new(), Vec::new());
    for (context, said) in contexts.iter() {
        let field = |more: &[&str]| FieldPath::new(place.iter().chain([&context.as_str()]).chain(more).copied());
        if let Err(error) = Context::new(context) {
            let hint = format!("write {}", error.rule());
            problems.push(Problem::new(Rule::StaticContext, field(&[]), error.to_string(), hint));
        }
        let mut block = Dependencies::default();
        for (kind, into) in [("buildrequires", &mut block.buildrequires), ("requires", &mut block.requires)] {
            for (module, given) in said.get(kind).and_then(map).iter().flat_map(|modules| modules.iter()) {
                let named = ModuleName::new(module).is_ok();
                match one_text(given).filter(|text| named && StreamName::new(text).is_ok()) {
                    Some(text) => drop(into.insert(module.clone(), BTreeSet::from([text.to_owned()]))),
                    None => {
                        let message = "a context has exactly one stream of each module";
                        let hint = "write `module: stream`, and a context for each other stream";
                        problems.push(Problem::new(Rule::SingleStream, field(&[kind, module]), message, hint));
                    }
                }
            }
        }
        streams.push(ModuleStream {
            context: Some(context.clone()),
            static_context: true,
            dependencies: vec![block],
            ..common.clone()
        });
    }
    if problems.is_empty() { Ok(Some(streams)) } else { Err(problems) }
}

fn map(value: &Xmd) -> Option<&XmdMap> {
    match value {
        Xmd::Map(map) => Some(map),
        Xmd::Bool(_) | Xmd::Text(_) | Xmd::List(_) => None,
    }
}

/// Returns the one text that a value is, or is a list of.
fn one_text(value: &Xmd) -> Option<&str> {
    match value {
        Xmd::Text(text) => Some(text),
        Xmd::List(items) => match items.as_slice() {
            [Xmd::Text(text)] => Some(text),
            _ => None,
        },
        Xmd::Bool(_) | Xmd::Map(_) => None,
    }
}

/// Returns every combination of streams that a document can be built against, in the order of its blocks and of names.
///
/// A list that names streams stands for those, whatever it excludes besides; one that is empty, or only excludes, for
/// all that are known but for the excluded. Of a module with a preferred stream only that one is taken. A document with a
/// static context leaves no choice.
///
/// # Errors
/// When there is nothing to choose from, there are more than `most`, or a static context leaves a choice.
pub(crate) fn combinations(
    stream: &ModuleStream,
    known: &Known,
    preferred: &BTreeMap<ModuleName, StreamName>,
    most: usize,
) -> Result<Vec<Combination>, Vec<Problem>> {
    if stream.static_context {
        declared_context(stream).map_err(|problem| vec![problem])?;
    }
    let none = [Dependencies::default()];
    let blocks = if stream.dependencies.is_empty() { &none[..] } else { stream.dependencies.as_slice() };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (index, block) in blocks.iter().enumerate() {
        match axes(index, block, known, preferred) {
            Ok(axes) => found.push((block, axes)),
            Err(mut told) => problems.append(&mut told),
        }
    }
    let of_block = |axes: &[Axis]| axes.iter().fold(1, |product: usize, axis| product.saturating_mul(axis.1.len()));
    let count = found.iter().fold(0, |sum: usize, (_, axes)| sum.saturating_add(of_block(axes)));
    if count > most && problems.is_empty() {
        problems.push(too_many(count, most));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let each = found.into_iter().flat_map(|(block, axes)| {
        let combinations = (0..of_block(&axes)).map(|number| combination(stream, block, &axes, number, known));
        combinations.collect::<Vec<_>>()
    });
    Ok(each.collect())
}

/// Says that a document makes more builds than one may.
pub(crate) fn too_many(count: usize, most: usize) -> Problem {
    let message = format!("its dependencies make {count} builds, and one submission may make {most}");
    let hint = "name fewer streams, or give some of them a document of their own";
    Problem::new(Rule::StreamExpansion, FieldPath::new(["dependencies"]), message, hint)
}

/// A module, the streams that can be chosen, and whether the document left them open.
type Axis = (ModuleName, Vec<StreamName>, bool);

fn axes(
    index: usize,
    block: &Dependencies,
    known: &Known,
    preferred: &BTreeMap<ModuleName, StreamName>,
) -> Result<Vec<Axis>, Vec<Problem>> {
    let index = index.to_string();
    if block.buildrequires.len() > MOST_REQUIRED {
        let message = format!("it is built against more than {MOST_REQUIRED} modules");
        let field = FieldPath::new(["dependencies", &index, "buildrequires"]);
        return Err(vec![Problem::new(Rule::StreamExpansion, field, message, "name fewer")]);
    }
    let (mut axes, mut problems) = (Vec::new(), Vec::new());
    for (module, list) in &block.buildrequires {
        // The rules have checked the names.
        let Ok(name) = ModuleName::new(module) else { continue };
        let mut streams: Vec<StreamName> = stands_for(list, known.get(&name))
            .into_iter()
            .flatten()
            .filter_map(|stream| StreamName::new(&stream).ok())
            .collect();
        if let Some(preferred) = preferred.get(&name) {
            // Of an open list what is not known here may still be there.
            if streams.contains(preferred) || (is_open(list) && !list.contains(&format!("-{preferred}"))) {
                axes.push((name, vec![preferred.clone()], false));
                continue;
            }
            let message = format!("the request asks for {module}:{preferred}, which is not among its streams");
            let hint = "ask for one of the document's streams in default_streams, or leave the module out there";
            let field = FieldPath::new(["dependencies", &index, "buildrequires", module]);
            problems.push(Problem::new(Rule::StreamExpansion, field, message, hint));
            streams.clear();
        } else if streams.is_empty() {
            let message = if known.contains_key(&name) {
                format!("no known stream of {module} is left")
            } else {
                format!("any stream of {module} is good, and none is known here")
            };
            let hint = format!(
                "name the streams, such as `{module}: [f42]`; the operator can name those of a base module in \
                 builds.base_streams, others are known once they are built"
            );
            let field = FieldPath::new(["dependencies", &index, "buildrequires", module]);
            problems.push(Problem::new(Rule::StreamExpansion, field, message, hint));
        } else {
            axes.push((name, streams, is_open(list)));
        }
    }
    if problems.is_empty() { Ok(axes) } else { Err(problems) }
}

/// Puts other streams of modules into a document, in every block that has the module. Returns the modules that it does
/// not have.
pub(crate) fn put_streams(
    stream: &mut ModuleStream,
    list: fn(&mut Dependencies) -> &mut BTreeMap<String, BTreeSet<String>>,
    streams: &BTreeMap<ModuleName, BTreeSet<String>>,
) -> BTreeSet<ModuleName> {
    let mut missing: BTreeSet<ModuleName> = streams.keys().cloned().collect();
    for block in &mut stream.dependencies {
        for (module, given) in list(block) {
            if let Some((name, wanted)) = streams.get_key_value(module.as_str()) {
                given.clone_from(wanted);
                missing.remove(name);
            }
        }
    }
    missing
}

/// Puts the streams of base modules that are built against in place of those that the build requirements name: of a
/// virtual stream the newest that has it.
///
/// # Errors
/// When streams of a base module are known, and a named one is not.
pub(crate) fn put_base_streams(
    stream: &mut ModuleStream,
    base_modules: &BTreeSet<ModuleName>,
    known: &BaseStreams,
) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (index, block) in stream.dependencies.iter_mut().enumerate() {
        for (module, list) in &mut block.buildrequires {
            let Some(name) = base_modules.get(module.as_str()) else { continue };
            if known.of(name).next().is_none() {
                continue;
            }
            let (excluded, named): (Vec<_>, Vec<_>) = list.iter().cloned().partition(|stream| stream.starts_with('-'));
            let mut meant: BTreeSet<String> = excluded.into_iter().collect();
            for stream in named {
                if let Some(found) = known.named(name, &stream) {
                    meant.insert(found.to_string());
                    continue;
                }
                let field = FieldPath::new(["dependencies", &index.to_string(), "buildrequires", module]);
                let message = format!("no stream {stream} of the base module {module} is known here");
                problems.push(Problem::new(Rule::StreamExpansion, field, message, known.told(name)));
            }
            *list = meant;
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Makes the combination of that number: the last module's stream changes first.
fn combination(
    stream: &ModuleStream,
    block: &Dependencies,
    axes: &[Axis],
    number: usize,
    known: &Known,
) -> Combination {
    let (mut rest, mut chosen) = (number, BTreeMap::new());
    for (name, streams, _) in axes.iter().rev() {
        if let Some(stream) = streams.get(rest % streams.len()) {
            chosen.insert(name.clone(), stream.clone());
        }
        rest /= streams.len();
    }
    let offered = axes.iter().filter(|(_, _, open)| *open).map(|(name, ..)| name.clone()).collect();
    let only = |stream: &StreamName| BTreeSet::from([stream.to_string()]);
    let buildrequires = chosen.iter().map(|(name, stream)| (name.to_string(), only(stream))).collect();
    let expanded = |module: &str, list: &BTreeSet<String>| {
        let of = ModuleName::new(module).ok().and_then(|name| known.get(&name));
        stands_for(list, of).unwrap_or_else(|| list.clone())
    };
    let required = |(module, list): (&String, &BTreeSet<String>)| {
        let list = expanded(module, list);
        let same = block.buildrequires.get(module).is_some_and(|built_with| expanded(module, built_with) == list);
        // What runs with any of the streams that it is built against runs with the one that it was built against.
        let list = chosen.get(module.as_str()).filter(|_| same).map_or(list, only);
        (module.clone(), list)
    };
    let requires = block.requires.iter().map(required).collect();
    let dependencies =
        if stream.dependencies.is_empty() { Vec::new() } else { vec![Dependencies { buildrequires, requires }] };
    Combination { stream: ModuleStream { dependencies, ..stream.clone() }, chosen, offered }
}

/// Tells whether a list names no stream: it is empty, or only excludes.
pub(crate) fn is_open(list: &BTreeSet<String>) -> bool {
    list.iter().all(|stream| stream.starts_with('-'))
}

/// Returns the streams that a list stands for; absent when that is not known.
pub(crate) fn stands_for(list: &BTreeSet<String>, known: Option<&BTreeSet<StreamName>>) -> Option<BTreeSet<String>> {
    if !is_open(list) {
        return Some(list.iter().filter(|stream| !stream.starts_with('-')).cloned().collect());
    }
    let is_excluded = |stream: &&StreamName| list.contains(&format!("-{stream}"));
    Some(known?.iter().filter(|stream| !is_excluded(stream)).map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests;
