(module
  (import "m" "m" (memory 0))
  (func (export "move") (param i32 i32 i32)
    (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "sum") (param $at i32) (param $length i32) (result i32)
    (local $end i32) (local $v v128) (local $s i32)
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    ;; 32 bytes a turn: two rows of eight words, added in pairs to four sums of 32 bits
    (block $short
      (br_if $short (i32.lt_u (local.get $length) (i32.const 32)))
      (local.set $length (i32.sub (local.get $end) (i32.const 31)))
      (loop $rows
        (local.set $v (i32x4.add (local.get $v)
          (i32x4.add (i32x4.extadd_pairwise_i16x8_u (v128.load align=1 (local.get $at)))
                     (i32x4.extadd_pairwise_i16x8_u (v128.load offset=16 align=1 (local.get $at))))))
        (br_if $rows (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 32))) (local.get $length)))))
    (local.set $s (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $v)) (i32x4.extract_lane 1 (local.get $v)))
      (i32.add (i32x4.extract_lane 2 (local.get $v)) (i32x4.extract_lane 3 (local.get $v)))))
    ;; the rest by words, and a last byte as the low half of one
    (block $done
      (loop $words
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 2)) (local.get $end)))
        (local.set $s (i32.add (local.get $s) (i32.load16_u align=1 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br $words)))
    (if (i32.lt_u (local.get $at) (local.get $end))
      (then (local.set $s (i32.add (local.get $s) (i32.load8_u (local.get $at))))))
    (local.get $s)))
