//! Reports: findings in, text out. All rounding and ordering is in `view`.
