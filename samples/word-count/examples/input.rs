//! Prints `input.txt`: `cargo run -p word-count --example input > word-count/input.txt`.
//!
//! Words are made of syllables and drawn with Zipf's distribution, as in natural text: few are very frequent, most are rare.

const ONSETS: [&str; 12] = ["b", "d", "fl", "g", "k", "l", "m", "n", "r", "st", "tr", "v"];
const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ä", "é", "ou"];
const BYTES: usize = 160 * 1024;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn vocabulary(random: &mut Random) -> Vec<String> {
    (0..3000)
        .map(|rank| {
            // Frequent words are short.
            let syllables = 1 + (rank / 60).min(2) + random.below(2) as usize;
            (0..syllables)
                .map(|_| {
                    let onset = ONSETS[random.below(12) as usize];
                    format!("{onset}{}", VOWELS[random.below(8) as usize])
                })
                .collect()
        })
        .collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn main() {
    let mut random = Random(7);
    let words = vocabulary(&mut random);
    // Cumulative weights of 1/(rank + 2), in whole numbers.
    let mut total = 0;
    let cumulative: Vec<u64> = (0..words.len() as u64)
        .map(|rank| {
            total += 1_000_000 / (rank + 2);
            total
        })
        .collect();
    let mut text = String::new();
    let (mut column, mut sentence) = (0, 0);
    while text.len() < BYTES {
        let draw = random.below(total);
        let word = &words[cumulative.partition_point(|weight| *weight <= draw)];
        text += &if sentence == 0 { capitalised(word) } else { word.clone() };
        sentence += 1;
        if sentence > 4 && random.below(9) == 0 {
            text += [".", "!", "?", "."][random.below(4) as usize];
            sentence = 0;
        } else if random.below(8) == 0 {
            text += ",";
        }
        column += word.len();
        text += if column > 70 { "\n" } else { " " };
        column %= 71;
    }
    println!("{}", text.trim_end());
}
