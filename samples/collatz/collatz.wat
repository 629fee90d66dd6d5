;; The start below $limit with the longest Collatz chain.
;;
;; A module written by hand: one function, two nested loops and a branch, no memory, no table. What it
;; measures is the fixed cost of every stage, which larger modules hide. Terms are 64 bits wide: the chain of 77671
;; climbs to 1570824736, and later ones leave 32 bits.
(module
  (func (export "run") (param $limit i32) (result i32)
    (local $start i32)
    (local $length i32)
    (local $longest i32)
    (local $winner i32)
    (local $term i64)
    (loop $starts
      (local.set $start (i32.add (local.get $start) (i32.const 1)))
      (local.set $length (i32.const 1))
      (local.set $term (i64.extend_i32_u (local.get $start)))
      (block $reached_one
        (loop $chain
          (br_if $reached_one (i64.eq (local.get $term) (i64.const 1)))
          (local.set $length (i32.add (local.get $length) (i32.const 1)))
          (local.set $term
            (if (result i64) (i32.wrap_i64 (i64.and (local.get $term) (i64.const 1)))
              (then (i64.add (i64.mul (local.get $term) (i64.const 3)) (i64.const 1)))
              (else (i64.shr_u (local.get $term) (i64.const 1)))))
          (br $chain)))
      (if (i32.gt_u (local.get $length) (local.get $longest))
        (then
          (local.set $longest (local.get $length))
          (local.set $winner (local.get $start))))
      (br_if $starts
        (i32.lt_u (i32.add (local.get $start) (i32.const 1)) (local.get $limit))))
    (local.get $winner)))
