//! A day's orders, grouped, ranked and searched: hash map, ordered map, stable and unstable sort, binary search.
//!
//! What business code does between parsing and printing. It is generic library code of Rust's standard collections, made
//! concrete: many small functions, bounds checks, hardly predictable branches, and an allocator (the standard one) under
//! load. All figures are whole cents, so the report has one right answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// FNV-1a. The standard hasher is seeded anew for each map, so that the same call would do slightly different work each
/// time.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type FnvMap<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

#[derive(Clone, Copy)]
struct Order {
    id: u32,
    customer: u32,
    product: u16,
    quantity: u32,
    cents: u64,
}

#[derive(Clone, Copy, Default)]
struct Account {
    orders: u32,
    spent: u64,
}

/// Marsaglia's 64-bit xorshift, with Vigna's multiplier.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }
}

fn day_of_orders(count: u32) -> Vec<Order> {
    let mut random = Random(0x0123_4567_89ab_cdef);
    (0..count)
        .map(|id| {
            // The smaller of two draws: few customers and products get most of the orders.
            let customer = random.below(4096).min(random.below(4096));
            let product = random.below(512).min(random.below(512)) as u16;
            let quantity = 1 + random.below(20);
            let cents = u64::from(quantity) * u64::from(199 + 37 * u32::from(product));
            Order { id, customer, product, quantity, cents }
        })
        .collect()
}

/// Customers by what they spent, the best first; the earlier customer first where two spent the same.
fn ranking(orders: &[Order]) -> Vec<(u32, Account)> {
    let mut accounts: FnvMap<u32, Account> = FnvMap::default();
    for order in orders {
        let account = accounts.entry(order.customer).or_default();
        account.orders += 1;
        account.spent += order.cents;
    }
    let mut ranked: Vec<_> = accounts.into_iter().collect();
    ranked.sort_unstable_by_key(|&(customer, account)| (Reverse(account.spent), customer));
    ranked
}

/// Units sold of each product, in the order of products.
fn stock_list(orders: &[Order]) -> BTreeMap<u16, u32> {
    let mut sold = BTreeMap::new();
    for order in orders {
        *sold.entry(order.product).or_insert(0) += order.quantity;
    }
    sold
}

/// For each of a hundred price limits, how many orders lie below it.
fn distribution(orders: &[Order]) -> Vec<u32> {
    let mut by_value = orders.to_vec();
    by_value.sort_by_key(|order| order.cents);
    (1..=100u64)
        .map(|step| by_value.partition_point(|order| order.cents < step * 4000) as u32)
        .chain(by_value.iter().step_by(97).map(|order| order.id))
        .collect()
}

/// The checksum of the report about `count` orders.
#[unsafe(no_mangle)]
pub extern "C" fn run(count: u32) -> u64 {
    let orders = day_of_orders(count);
    let mut checksum = Fnv::default();
    for (customer, account) in ranking(&orders) {
        checksum.write(&customer.to_le_bytes());
        checksum.write(&account.orders.to_le_bytes());
        checksum.write(&account.spent.to_le_bytes());
    }
    for (product, sold) in stock_list(&orders) {
        checksum.write(&product.to_le_bytes());
        checksum.write(&sold.to_le_bytes());
    }
    for figure in distribution(&orders) {
        checksum.write(&figure.to_le_bytes());
    }
    checksum.finish()
}

#[cfg(test)]
mod tests {
    use super::{day_of_orders, ranking, stock_list};

    #[test]
    fn nothing_is_lost_in_grouping() {
        let orders = day_of_orders(1000);
        let spent: u64 = ranking(&orders).iter().map(|(_, account)| account.spent).sum();
        assert_eq!(spent, orders.iter().map(|order| order.cents).sum::<u64>());
        let sold: u32 = stock_list(&orders).values().sum();
        assert_eq!(sold, orders.iter().map(|order| order.quantity).sum::<u32>());
    }

    #[test]
    fn the_best_customer_comes_first() {
        assert!(ranking(&day_of_orders(1000)).is_sorted_by(|a, b| a.1.spent >= b.1.spent));
    }
}
