//! Prints `catalogue.json`: `cargo run -p json --example catalogue > json/catalogue.json`.
//!
//! It is written by hand and not by serde, so that the sample's input does not come from the library that it measures.

const ADJECTIVES: [&str; 8] =
    ["Plain", "Heavy", "Folding", "Silent", "Café", "Left-handed", "Second \\\"best\\\"", "Nº 5"];
const NOUNS: [&str; 8] = ["Spanner", "Lamp", "Atlas", "Gasket", "Kettle", "Grammar", "Bolt", "Übersicht"];
const KINDS: [&str; 3] = ["tool", "book", "spare-part"];
const TAGS: [&str; 6] = ["new", "sale", "made to order", "import\\u00e9", "fragile", "tab\\tbed"];
const TOWNS: [&str; 4] = ["Antwerp", "Bergen", "Cádiz", "Dover"];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn product(id: usize, random: &mut Random) -> String {
    let name = format!("{} {}", ADJECTIVES[random.below(8)], NOUNS[random.below(8)]);
    let kind = KINDS[random.below(3)];
    let cents = 50 + random.below(20_000);
    let weight = format!("{}.{:03}", random.below(40), 1 + 2 * random.below(499));
    let towns: Vec<String> =
        TOWNS[..1 + random.below(4)].iter().map(|town| format!("\"{town}\": {}", random.below(24))).collect();
    let tags: Vec<String> = (0..random.below(4)).map(|_| format!("\"{}\"", TAGS[random.below(6)])).collect();
    let note = match random.below(4) {
        0 => ",\n      \"note\": \"Sold by the dozen; ask first.\\nSee page 7 \\u2014 or don't.\"",
        1 => ",\n      \"note\": null",
        _ => "",
    };
    format!(
        "    {{\n      \"id\": {id},\n      \"name\": \"{name}\",\n      \"kind\": \"{kind}\",\n      \"cents\": {cents},\n      \
         \"weight\": {weight},\n      \"stock\": {{{}}},\n      \"tags\": [{}]{note}\n    }}",
        towns.join(", "),
        tags.join(", "),
    )
}

fn main() {
    let mut random = Random(2024);
    let products: Vec<String> = (1..=96).map(|id| product(id, &mut random)).collect();
    println!("{{\n  \"currency\": \"EUR\",\n  \"revision\": 41,\n  \"products\": [\n{}\n  ]\n}}", products.join(",\n"));
}
