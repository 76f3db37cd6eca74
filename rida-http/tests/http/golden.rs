//! Bodies held by files, which `UPDATE_GOLDEN=1` writes anew.

use std::path::PathBuf;

use crate::harness::Answer;

/// Compares the body of an answer with `tests/golden/<name>.json`.
#[track_caller]
pub(crate) fn check(name: &str, answer: &Answer) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&Ordered(answer.text())).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, kept, "{name} has changed; UPDATE_GOLDEN=1 accepts it");
}

/// JSON that is written again in the order that it was in.
struct Ordered<'a>(&'a str);

impl serde::Serialize for Ordered<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        transcode(&mut deserializer).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Tree {
    Leaf(serde_json::Value),
    List(Vec<Tree>),
    #[serde(serialize_with = "as_map")]
    Object(Vec<(String, Tree)>),
}

fn as_map<S: serde::Serializer>(fields: &[(String, Tree)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
}

fn transcode<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
    serde::Deserialize::deserialize(deserializer)
}

impl<'de> serde::Deserialize<'de> for Tree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Grow;

        impl<'de> serde::de::Visitor<'de> for Grow {
            type Value = Tree;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, it: bool) -> Result<Tree, E> {
                Ok(Tree::Leaf(it.into()))
            }

            fn visit_i64<E>(self, it: i64) -> Result<Tree, E> {
                Ok(Tree::Leaf(it.into()))
            }

            fn visit_u64<E>(self, it: u64) -> Result<Tree, E> {
                Ok(Tree::Leaf(it.into()))
            }

            fn visit_f64<E>(self, it: f64) -> Result<Tree, E> {
                Ok(Tree::Leaf(it.into()))
            }

            fn visit_str<E>(self, it: &str) -> Result<Tree, E> {
                Ok(Tree::Leaf(it.into()))
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Leaf(serde_json::Value::Null))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Tree::Object(fields))
            }
        }

        deserializer.deserialize_any(Grow)
    }
}
