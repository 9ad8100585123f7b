;; The card's checksum kernel. The kernel's is in kernels.wat: two programs, on purpose, so that they can disagree.
(module
  (import "m" "m" (memory 0))
  (func (export "sum") (param $at i32) (param $length i32) (result i32)
    (local $rows i32) (local $v v128) (local $s v128) (local $sum i32) (local $w i64)
    ;; 16 bytes a turn: the low and the high halves of four words, added to four sums of 32 bits
    (local.set $rows (i32.shr_u (local.get $length) (i32.const 4)))
    (local.set $length (i32.and (local.get $length) (i32.const 15)))
    (block $short
      (br_if $short (i32.eqz (local.get $rows)))
      (loop $row
        (local.set $v (v128.load align=1 (local.get $at)))
        (local.set $s (i32x4.add (local.get $s)
          (i32x4.add (v128.and (local.get $v) (v128.const i32x4 0xffff 0xffff 0xffff 0xffff))
                     (i32x4.shr_u (local.get $v) (i32.const 16)))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))
      ;; four sums are two are one
      (local.set $s (i32x4.add (local.get $s)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $s) (local.get $s))))
      (local.set $w (i64x2.extract_lane 0 (local.get $s)))
      (local.set $sum (i32.add (i32.wrap_i64 (local.get $w)) (i32.wrap_i64 (i64.shr_u (local.get $w) (i64.const 32))))))
    (block $last
      (loop $half
        (br_if $last (i32.lt_u (local.get $length) (i32.const 2)))
        (local.set $sum (i32.add (local.get $sum) (i32.load16_u align=1 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (local.set $length (i32.sub (local.get $length) (i32.const 2)))
        (br $half)))
    (if (local.get $length)
      (then (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))))
    (local.get $sum)))
