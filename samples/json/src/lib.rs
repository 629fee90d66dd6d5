//! A product catalogue in JSON, read into types, repriced and printed; and read and printed again without types.
//!
//! What services and contracts do at their borders. The typed half is code that `serde` derives for each structure, the
//! untyped half is serde_json's `Value`: trees of small allocations. Both parse and print strings with escapes, whole
//! numbers and floats. A mid-sized module with many functions that are only compiled, not run, as real ones have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

const CATALOGUE: &str = include_str!("../catalogue.json");

#[derive(Deserialize, Serialize)]
struct Catalogue {
    currency: String,
    revision: u32,
    products: Vec<Product>,
}

#[derive(Deserialize, Serialize)]
struct Product {
    id: u32,
    name: String,
    kind: Kind,
    cents: u64,
    weight: f64,
    stock: BTreeMap<String, u32>,
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Tool,
    Book,
    SparePart,
}

/// Parses the catalogue, raises the prices of what is nearly sold out by a tenth, and prints it.
fn reprice(text: &str) -> serde_json::Result<String> {
    let mut catalogue: Catalogue = serde_json::from_str(text)?;
    catalogue.revision += 1;
    for product in &mut catalogue.products {
        if product.stock.values().sum::<u32>() < 20 {
            product.cents += product.cents / 10;
            product.tags.push("scarce".to_owned());
        }
    }
    catalogue.products.sort_by_key(|product| (product.kind, product.cents, product.id));
    serde_json::to_string(&catalogue)
}

/// Removes all notes and halves all weights in a document whose structure is not known, and prints it for people.
fn strip_notes(text: &str) -> serde_json::Result<String> {
    fn visit(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(visit),
            Value::Object(members) => {
                members.remove("note");
                if let Some(weight) = members.get_mut("weight") {
                    *weight = Value::from(weight.as_f64().unwrap_or_default() / 2.0);
                }
                members.values_mut().for_each(visit);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut document: Value = serde_json::from_str(text)?;
    visit(&mut document);
    serde_json::to_string_pretty(&document)
}

fn fnv(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The checksum of both documents, the untyped one made from the typed one, after `rounds` of that.
#[unsafe(no_mangle)]
pub extern "C" fn run(rounds: u32) -> u64 {
    (0..rounds).fold(0xcbf2_9ce4_8422_2325, |hash, _| {
        let compact = reprice(CATALOGUE).expect("the catalogue is valid JSON of its types");
        let pretty = strip_notes(&compact).expect("what was printed can be parsed");
        fnv(fnv(hash, &compact), &pretty)
    })
}

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, reprice, strip_notes};

    #[test]
    fn prices_rise_and_notes_go() {
        let compact = reprice(CATALOGUE).unwrap();
        assert!(compact.contains(r#""scarce""#) && compact.contains(r#""note""#));
        let pretty = strip_notes(&compact).unwrap();
        assert!(pretty.contains(r#""scarce""#) && !pretty.contains(r#""note""#));
    }
}
