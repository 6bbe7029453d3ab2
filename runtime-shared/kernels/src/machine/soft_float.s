@ Single-precision arithmetic for Arm cores without floats, in place of the compiler's library. It is written in the
@ instructions of ARMv6-M (Cortex-M0+), which every later one has.
@
@ The names and the calling convention are those of Arm's run-time ABI (IHI 0043, "Floating-point library"): operands
@ in r0 and r1, result in r0, and nothing but r0 to r3 and r12 changed. Results are those of IEEE 754 to the bit, rounded
@ to nearest even, subnormals included; a NaN among the operands comes back quiet, and any other NaN is 0x7fc00000.
@
@ Paths are laid so that operands of everyday size take about the same time whatever they are: what is rare (subnormals,
@ infinities, NaN) branches away, and what is common does not loop. Division takes one bit a turn, always as many turns.
@
@ Words in comments: "field" is a float's bits; "E" its biased exponent; "X" a mantissa whose first bit is bit 31, with
@ all that was lost below it joined into bit 0; a "round bit" is worth half of the last place.

    .syntax unified
    .thumb

@ float __aeabi_fadd(float a, float b), and __aeabi_fsub, which is a + (-b). Sum and difference of magnitudes are two
@ paths, between which lies what both share, so that every branch reaches its aim.
    .section .text.__aeabi_fadd, "ax"
    .p2align 2

    @ The smaller operand is zero or subnormal: it has no first bit, and the exponent of the smallest normal number.
.Lsub_small:
    lsls    r2, r0, #1
    lsrs    r2, #24
    cmp     r2, #255
    beq     .Ladd_special
    lsls    r1, #8
    beq     .Ladd_larger
    subs    r3, r2, #1
    bcc     1f
    cmp     r3, #24
    bls     .Lsub_aligned
    bx      lr
    @ Both are subnormal, and so is the difference of their fields.
1:  lsrs    r1, #8
    subs    r0, r1
    bx      lr

    @ The smaller one is below half of the larger one's last place, but a power of two has closer neighbours below.
.Lsub_far:
    cmp     r3, #25
    bne     1f
    lsls    r2, r0, #9
    bne     1f
    lsls    r1, #9
    beq     1f
    subs    r0, #1
1:  bx      lr

    @ The larger goes to r0, and gives the result its sign.
.Lsub:
    lsls    r2, r0, #1
    lsls    r3, r1, #1
    cmp     r2, r3
    bhi     1f
    beq     .Ladd_equal
    mov     r12, r0
    movs    r0, r1
    mov     r1, r12
    lsls    r2, r0, #1
    lsls    r3, r1, #1
1:  lsrs    r3, #24
    beq     .Lsub_small
    lsrs    r2, #24
    cmp     r2, #255
    beq     .Ladd_special
    subs    r3, r2, r3
    cmp     r3, #24
    bhi     .Lsub_far
    lsls    r1, #8
    movs    r2, #1
    lsls    r2, #31
    orrs    r1, r2
.Lsub_aligned:
    adds    r3, #8
    movs    r2, r1
    lsrs    r2, r3
    subs    r3, #32
    rsbs    r3, r3, #0
    lsls    r1, r3
    movs    r3, r0
    rsbs    r1, r1, #0
    sbcs    r0, r2
    movs    r2, r0
    eors    r3, r0
    lsrs    r3, #23
    beq     .Ladd_round
    @ Below the larger one's power of two: r0's exponent is one less, and its fraction is the whole mantissa.
    lsls    r2, r0, #1
    lsrs    r2, #24
    beq     .Ladd_larger
    lsrs    r3, r0, #31
    lsls    r3, #31
    mov     r12, r3
    lsls    r0, #9
    lsrs    r3, r1, #23
    orrs    r0, r3
    bpl     2f
    @ Only one place was lost, and there is something to round.
    lsls    r1, #9
    beq     1f
    movs    r1, #1
    orrs    r0, r1
1:  subs    r2, #1
    lsls    r2, #23
    add     r2, r12
    lsrs    r3, r0, #8
    adcs    r3, r2
    lsls    r0, #25
    beq     4f
    movs    r0, r3
    bx      lr
    @ More places are lost only where exponents were next to one another, so that nothing is below: no rounding.
2:  subs    r2, #1
    beq     3f
    lsls    r0, #1
    bpl     2b
    subs    r2, #1
    lsls    r2, #23
    lsrs    r0, #8
    adds    r0, r2
    add     r0, r12
    bx      lr
    @ Subnormal.
3:  lsrs    r0, #8
    add     r0, r12
    bx      lr
    @ C: a round bit with nothing below it, for which r3 was rounded up. To even.
4:  bcc     5f
    movs    r0, #1
    bics    r3, r0
5:  movs    r0, r3
    bx      lr

    @ x - x is +0 where x is a number.
.Ladd_equal:
    lsls    r2, r0, #1
    lsrs    r2, #24
    cmp     r2, #255
    beq     1f
    movs    r0, #0
    bx      lr
1:  lsls    r2, r0, #9
    bne     .Ladd_quiet
    @ Infinity less infinity.
    movs    r0, #255
    lsls    r0, #23
    b       .Ladd_quiet

    @ The larger is infinite or NaN, and infinities are not two of different signs.
.Ladd_special:
    lsls    r2, r0, #9
    beq     .Ladd_larger
.Ladd_quiet:
    movs    r2, #1
    lsls    r2, #22
    orrs    r0, r2
.Ladd_larger:
    bx      lr

    .global __aeabi_fsub
    .type __aeabi_fsub, %function
    .thumb_func
__aeabi_fsub:
    movs    r2, #1
    lsls    r2, #31
    eors    r1, r2

    .global __aeabi_fadd
    .type __aeabi_fadd, %function
    .thumb_func
__aeabi_fadd:
    movs    r2, r0
    eors    r2, r1
    bmi     .Lsub
    @ Of one sign, fields are ordered as magnitudes are. The larger goes to r0.
    cmp     r0, r1
    bhs     1f
    mov     r12, r0
    movs    r0, r1
    mov     r1, r12
1:  lsls    r3, r1, #1
    lsrs    r3, #24
    beq     .Ladd_small
    lsls    r2, r0, #1
    lsrs    r2, #24
    cmp     r2, #255
    beq     .Ladd_special
    subs    r3, r2, r3
    cmp     r3, #24
    bhi     .Ladd_larger
    lsls    r1, #8
    movs    r2, #1
    lsls    r2, #31
    orrs    r1, r2
    @ r0: larger field, r1: smaller one's mantissa at bit 31, r3: difference of exponents. r2 becomes what reaches the
    @ larger one's last place, r1 what stays below it.
.Ladd_aligned:
    adds    r3, #8
    movs    r2, r1
    lsrs    r2, r3
    subs    r3, #32
    rsbs    r3, r3, #0
    lsls    r1, r3
    adds    r2, r0
    eors    r0, r2
    lsrs    r0, #23
    bne     .Ladd_carry
    @ r2: field, r1: what is below, bit 31 the round bit.
.Ladd_round:
    lsls    r1, #1
    beq     2f
    movs    r0, #0
    adcs    r0, r2
    bx      lr
2:  movs    r0, r2
    bcc     3f
    @ A tie: to even.
    movs    r1, #1
    ands    r1, r2
    adds    r0, r1
3:  bx      lr

    @ The mantissa reached 2: the exponent is one more, and what exceeds 2 is to be halved.
.Ladd_carry:
    lsrs    r3, r2, #23
    eors    r0, r3
    adds    r0, #1
    uxtb    r3, r0
    lsls    r0, #23
    cmp     r3, #255
    beq     3b
    subs    r2, r0
    lsrs    r2, #1
    bcc     2f
    cmp     r1, #0
    bne     1f
    @ A tie: to even.
    movs    r1, #1
    ands    r1, r2
    adds    r2, r1
    adds    r0, r2
    bx      lr
1:  adds    r2, #1
2:  adds    r0, r2
    bx      lr

    @ As .Lsub_small.
.Ladd_small:
    lsls    r2, r0, #1
    lsrs    r2, #24
    cmp     r2, #255
    beq     .Ladd_special
    lsls    r1, #8
    beq     .Ladd_larger
    subs    r3, r2, #1
    bcc     1f
    cmp     r3, #24
    bls     .Ladd_aligned
    bx      lr
    @ Both are subnormal: fields add up, and a carry makes the smallest normal number.
1:  lsrs    r1, #8
    adds    r0, r1
    bx      lr
    .size __aeabi_fadd, . - __aeabi_fadd

@ float __aeabi_fmul(float a, float b)
    .section .text.__aeabi_fmul, "ax"
    .p2align 2
    .global __aeabi_fmul
    .type __aeabi_fmul, %function
    .thumb_func
__aeabi_fmul:
    movs    r2, r0
    eors    r2, r1
    lsrs    r2, #31
    lsls    r2, #31
    mov     r12, r2
    lsls    r2, r0, #1
    lsrs    r2, #24
    subs    r2, #1
    cmp     r2, #253
    bhi     .Lmul_special
    lsls    r3, r1, #1
    lsrs    r3, #24
    subs    r3, #1
    cmp     r3, #253
    bhi     .Lmul_special
    @ The result's E, less 1, where the mantissas' product is below 2.
    adds    r2, r3
    subs    r2, #126
    cmp     r2, #252
    bhi     .Lmul_special
    lsls    r2, #23
    add     r12, r2
    push    {r4}
    @ Halves of 16 and 8 bits.
    uxth    r2, r0
    lsls    r0, #9
    lsrs    r0, #25
    adds    r0, #128
    uxth    r3, r1
    lsls    r1, #9
    lsrs    r1, #25
    adds    r1, #128
    movs    r4, r2
    muls    r4, r3, r4
    muls    r2, r1, r2
    muls    r3, r0, r3
    muls    r0, r1, r0
    adds    r2, r3
    lsrs    r3, r4, #16
    adds    r2, r3
    lsls    r0, #16
    adds    r0, r2
    @ r0: the product's upper 32 bits of 48. What lies below them joins bit 0.
    lsls    r4, #16
    beq     1f
    movs    r4, #1
    orrs    r0, r4
1:  pop     {r4}
    mov     r1, r12
    cmp     r0, #0
    bpl     2f
    movs    r2, #1
    lsls    r2, #23
    adds    r1, r2
    lsrs    r3, r0, #8
    adcs    r3, r1
    lsls    r0, #25
    beq     3f
    movs    r0, r3
    bx      lr
2:  lsrs    r3, r0, #7
    adcs    r3, r1
    lsls    r0, #26
    beq     3f
    movs    r0, r3
    bx      lr
3:  bcc     4f
    movs    r0, #1
    bics    r3, r0
4:  movs    r0, r3
    bx      lr

    @ Zeros are no rarity: what a ReLU leaves, and padding.
.Lmul_special:
    lsls    r2, r0, #1
    beq     1f
    lsls    r3, r1, #1
    bne     2f
    lsrs    r2, #24
    cmp     r2, #255
    beq     2f
    mov     r0, r12
    bx      lr
1:  lsls    r3, r1, #1
    lsrs    r3, #24
    cmp     r3, #255
    beq     2f
    mov     r0, r12
    bx      lr
2:  push    {r4, r5, r6, lr}
    bl      __sim_float_operands
    bcs     5f
    beq     6f
    @ r0, r1: mantissas of 24 bits; r2, r3: exponents; r6: the sign. The result's E where the product is 2 or more:
    adds    r2, r3
    subs    r2, #124
    lsrs    r3, r0, #16
    lsrs    r4, r1, #16
    uxth    r0, r0
    uxth    r1, r1
    movs    r5, r0
    muls    r5, r1, r5
    muls    r0, r4, r0
    muls    r1, r3, r1
    muls    r3, r4, r3
    adds    r0, r1
    lsrs    r1, r5, #16
    adds    r0, r1
    lsls    r3, #16
    adds    r0, r3
    lsls    r5, #16
    beq     1f
    movs    r5, #1
    orrs    r0, r5
1:  cmp     r0, #0
    bmi     2f
    lsls    r0, #1
    subs    r2, #1
2:  bl      __sim_float_pack
5:  pop     {r4, r5, r6, pc}
    @ Zero or infinite: which, is in the classes r2 and r3 (0 zero, 1 finite, 2 infinite). Their sum is 2 only for zero
    @ times infinity, or two finite ones, who are not here.
6:  adds    r2, r3
    cmp     r2, #2
    beq     7f
    bhi     8f
    movs    r0, r6
    pop     {r4, r5, r6, pc}
7:  bl      __sim_float_nan
    pop     {r4, r5, r6, pc}
8:  movs    r0, #255
    lsls    r0, #23
    orrs    r0, r6
    pop     {r4, r5, r6, pc}
    .size __aeabi_fmul, . - __aeabi_fmul

@ float __aeabi_fdiv(float a, float b)
    .section .text.__aeabi_fdiv, "ax"
    .p2align 2
    .global __aeabi_fdiv
    .type __aeabi_fdiv, %function
    .thumb_func
__aeabi_fdiv:
    push    {r4, r5, r6, lr}
    lsls    r2, r0, #1
    lsrs    r2, #24
    subs    r2, #1
    cmp     r2, #253
    bhi     .Ldiv_special
    lsls    r3, r1, #1
    lsrs    r3, #24
    subs    r3, #1
    cmp     r3, #253
    bhi     .Ldiv_special
    movs    r6, r0
    eors    r6, r1
    lsrs    r6, #31
    lsls    r6, #31
    @ E of the result, less 1, where the quotient of mantissas is at least 1.
    subs    r2, r3
    adds    r2, #126
    subs    r3, r2, #1
    cmp     r3, #252
    bhi     .Ldiv_special
    movs    r3, #1
    lsls    r3, #23
    lsls    r0, #9
    lsrs    r0, #9
    orrs    r0, r3
    lsls    r1, #9
    lsrs    r1, #9
    orrs    r1, r3
    bl      .Lquotient
    lsls    r2, #23
    orrs    r2, r6
    @ No quotient lies midway between two floats, so the round bit decides.
    lsrs    r0, #1
    adcs    r0, r2
    pop     {r4, r5, r6, pc}

.Ldiv_special:
    bl      __sim_float_operands
    bcs     2f
    beq     3f
    subs    r2, r3
    adds    r2, #126
    bl      .Lquotient
    lsls    r0, #7
    cmp     r3, #0
    beq     1f
    movs    r3, #1
    orrs    r0, r3
1:  adds    r2, #1
    bl      __sim_float_pack
2:  pop     {r4, r5, r6, pc}
    @ Classes: 0 zero, 1 finite, 2 infinite.
3:  cmp     r2, r3
    beq     4f
    bhi     5f
    movs    r0, r6
    pop     {r4, r5, r6, pc}
4:  bl      __sim_float_nan
    pop     {r4, r5, r6, pc}
5:  movs    r0, #255
    lsls    r0, #23
    orrs    r0, r6
    pop     {r4, r5, r6, pc}

@ The quotient of mantissas r0 / r1 with 25 bits, to r0; r3: the remainder. r2, an exponent, becomes one less where r0 < r1.
.Lquotient:
    movs    r3, r0
    cmp     r3, r1
    bhs     1f
    lsls    r3, #1
    subs    r2, #1
1:  subs    r3, r1
    movs    r0, #1
    movs    r4, #6
2:  .rept 4
    lsls    r3, #1
    cmp     r3, r1
    bcc     3f
    subs    r3, r1
3:  adcs    r0, r0
    .endr
    subs    r4, #1
    bne     2b
    bx      lr
    .size __aeabi_fdiv, . - __aeabi_fdiv

@ What product and quotient share where operands are not both normal, or the result may not be.
    .section .text.__sim_float, "ax"
    .p2align 2

@ Takes apart the operands r0 and r1. C set: one is NaN, and r0 is the result. Else r6 is the sign of product and quotient,
@ and Z set: one is zero or infinite, r2 and r3 are their classes (0 zero, 1 finite, 2 infinite); Z clear: r0 and r1 are
@ mantissas of 24 bits, r2 and r3 their exponents, 1 less than E. Uses r4 and r5.
    .type __sim_float_operands, %function
    .thumb_func
__sim_float_operands:
    movs    r6, r0
    eors    r6, r1
    lsrs    r6, #31
    lsls    r6, #31
    movs    r5, #255
    lsls    r5, #24
    lsls    r2, r0, #1
    cmp     r2, r5
    bhi     6f
    lsls    r3, r1, #1
    cmp     r3, r5
    bhi     5f
    @ Classes, by steps: above zero, and infinite.
    movs    r4, #1
    cmp     r2, #0
    beq     4f
    cmp     r2, r5
    beq     4f
    cmp     r3, #0
    beq     4f
    cmp     r3, r5
    beq     4f
    lsls    r4, #23
    lsrs    r2, #24
    lsls    r0, #9
    lsrs    r0, #9
    subs    r2, #1
    bcs     2f
    @ Subnormal: shifted until it has its first bit.
    adds    r2, #1
1:  lsls    r0, #1
    subs    r2, #1
    tst     r0, r4
    beq     1b
2:  orrs    r0, r4
    lsrs    r3, #24
    lsls    r1, #9
    lsrs    r1, #9
    subs    r3, #1
    bcs     3f
    adds    r3, #1
7:  lsls    r1, #1
    subs    r3, #1
    tst     r1, r4
    beq     7b
3:  orrs    r1, r4
    @ Z clear, C clear.
    adds    r4, #1
    bx      lr
4:  cmp     r2, r5
    bne     1f
    movs    r2, #2
    b       2f
1:  cmp     r2, #0
    beq     2f
    movs    r2, #1
2:  cmp     r3, r5
    bne     1f
    movs    r3, #2
    b       2f
1:  cmp     r3, #0
    beq     2f
    movs    r3, #1
2:  movs    r4, #0
    @ Z set, C clear.
    adds    r4, #0
    bx      lr
5:  movs    r0, r1
6:  movs    r1, #1
    lsls    r1, #22
    orrs    r0, r1
    cmp     r0, r0
    bx      lr

@ The field of X in r0 with E in r2, of any size, and the sign in r6. Uses r1, r3, r4.
    .type __sim_float_pack, %function
    .thumb_func
__sim_float_pack:
    cmp     r2, #254
    bgt     4f
    subs    r2, #1
    bpl     2f
    rsbs    r2, r2, #0
    cmp     r2, #31
    bls     1f
    movs    r2, #31
1:  movs    r3, r0
    lsrs    r0, r2
    movs    r4, #32
    subs    r4, r2
    movs    r2, #0
    lsls    r3, r4
    beq     2f
    movs    r3, #1
    orrs    r0, r3
2:  lsls    r2, #23
    orrs    r2, r6
    lsrs    r3, r0, #8
    adcs    r3, r2
    lsls    r0, #25
    bne     3f
    bcc     3f
    movs    r0, #1
    bics    r3, r0
3:  movs    r0, r3
    bx      lr
4:  movs    r0, #255
    lsls    r0, #23
    orrs    r0, r6
    bx      lr

    .type __sim_float_nan, %function
    .thumb_func
__sim_float_nan:
    movs    r0, #255
    lsls    r0, #1
    adds    r0, #1
    lsls    r0, #22
    bx      lr
    .size __sim_float_operands, . - __sim_float_operands

@ float __sim_fsqrt(float x): a bit of the root a turn, until there are 25 and what is left tells how to round.
    .section .text.__sim_fsqrt, "ax"
    .p2align 2
    .global __sim_fsqrt
    .type __sim_fsqrt, %function
    .thumb_func
__sim_fsqrt:
    lsls    r1, r0, #1
    beq     5f
    lsrs    r1, #24
    cmp     r1, #255
    beq     6f
    cmp     r0, #0
    bmi     7f
    movs    r3, #1
    lsls    r3, #23
    cmp     r1, #0
    bne     2f
    @ Subnormal: shifted until it has its first bit.
    adds    r1, #1
1:  lsls    r0, #1
    subs    r1, #1
    tst     r0, r3
    beq     1b
2:  lsls    r0, #9
    lsrs    r0, #9
    orrs    r0, r3
    @ The exponent is to be even: 127 is odd.
    adds    r1, #127
    asrs    r1, #1
    bcc     3f
    lsls    r0, #1
3:  subs    r1, #1
    lsls    r1, #23
    mov     r12, r1
    lsls    r0, #1
    @ r0: what is left, r1: twice the root so far, r2: this turn's bit.
    movs    r1, #0
    lsls    r2, r3, #1
1:  adds    r3, r1, r2
    cmp     r3, r0
    bhi     2f
    subs    r0, r3
    adds    r1, r3, r2
2:  lsls    r0, #1
    lsrs    r2, #1
    bne     1b
    @ 25 bits and a zero. No root lies midway between two floats, so the last bit decides.
    lsrs    r0, r1, #2
    mov     r1, r12
    adcs    r0, r1
5:  bx      lr
6:  lsls    r1, r0, #9
    bne     8f
    cmp     r0, #0
    bpl     5b
    @ The root of what is below zero.
7:  movs    r0, #255
    lsls    r0, #23
8:  movs    r1, #1
    lsls    r1, #22
    orrs    r0, r1
    bx      lr
    .size __sim_fsqrt, . - __sim_fsqrt

@ int __aeabi_fcmpXX(float a, float b): 1 if so, 0 if not or if one is NaN. Fields become integers in the order of floats,
@ both zeros the same.
    .macro  compare name, mirrored, branch
    .section .text.__aeabi_fcmp\name, "ax"
    .p2align 2
    .ifnb \mirrored
    .global __aeabi_fcmp\mirrored
    .type __aeabi_fcmp\mirrored, %function
    .thumb_func
__aeabi_fcmp\mirrored:
    movs    r2, r0
    movs    r0, r1
    movs    r1, r2
    .endif
    .global __aeabi_fcmp\name
    .type __aeabi_fcmp\name, %function
    .thumb_func
__aeabi_fcmp\name:
    movs    r3, #255
    lsls    r3, #23
    asrs    r2, r0, #31
    lsls    r0, #1
    lsrs    r0, #1
    cmp     r0, r3
    bhi     2f
    eors    r0, r2
    subs    r0, r2
    asrs    r2, r1, #31
    lsls    r1, #1
    lsrs    r1, #1
    cmp     r1, r3
    bhi     2f
    eors    r1, r2
    subs    r1, r2
    cmp     r0, r1
    \branch 1f
2:  movs    r0, #0
    bx      lr
1:  movs    r0, #1
    bx      lr
    .size __aeabi_fcmp\name, . - __aeabi_fcmp\name
    .endm
    compare lt, gt, blt
    compare le, ge, ble
    compare eq, , beq

@ int __aeabi_fcmpun(float a, float b): 1 if one is NaN.
    .section .text.__aeabi_fcmpun, "ax"
    .p2align 2
    .global __aeabi_fcmpun
    .type __aeabi_fcmpun, %function
    .thumb_func
__aeabi_fcmpun:
    movs    r3, #255
    lsls    r3, #24
    lsls    r0, #1
    cmp     r0, r3
    bhi     1f
    lsls    r1, #1
    cmp     r1, r3
    bhi     1f
    movs    r0, #0
    bx      lr
1:  movs    r0, #1
    bx      lr
    .size __aeabi_fcmpun, . - __aeabi_fcmpun

@ float __aeabi_i2f(int n) and float __aeabi_ui2f(unsigned n), rounded to nearest even.
    .section .text.__aeabi_i2f, "ax"
    .p2align 2
    .global __aeabi_i2f
    .type __aeabi_i2f, %function
    .thumb_func
__aeabi_i2f:
    lsrs    r3, r0, #31
    lsls    r3, #31
    bpl     1f
    rsbs    r0, r0, #0
    b       1f

    .global __aeabi_ui2f
    .type __aeabi_ui2f, %function
    .thumb_func
__aeabi_ui2f:
    movs    r3, #0
1:  cmp     r0, #0
    beq     4f
    @ E, less 1, of bit 31. Bytes and half-words, which are common, are raised at once.
    movs    r1, #157
    lsrs    r2, r0, #16
    bne     2f
    lsls    r0, #16
    subs    r1, #16
2:  lsrs    r2, r0, #24
    bne     2f
    lsls    r0, #8
    subs    r1, #8
2:  lsrs    r2, r0, #28
    bne     2f
    lsls    r0, #4
    subs    r1, #4
2:  lsrs    r2, r0, #30
    bne     2f
    lsls    r0, #2
    subs    r1, #2
2:  cmp     r0, #0
    bmi     2f
    lsls    r0, #1
    subs    r1, #1
2:  lsls    r1, #23
    orrs    r3, r1
    lsrs    r1, r0, #8
    adcs    r1, r3
    lsls    r0, #25
    bne     3f
    bcc     3f
    movs    r0, #1
    bics    r1, r0
3:  movs    r0, r1
4:  bx      lr
    .size __aeabi_i2f, . - __aeabi_i2f

@ int __aeabi_f2iz(float x): towards zero; what is too large becomes the nearest whole number, NaN becomes 0.
    .section .text.__aeabi_f2iz, "ax"
    .p2align 2
    .global __aeabi_f2iz
    .type __aeabi_f2iz, %function
    .thumb_func
__aeabi_f2iz:
    lsls    r1, r0, #1
    lsrs    r1, #24
    subs    r1, #127
    bcc     2f
    movs    r2, #31
    subs    r2, r1
    bls     3f
    lsls    r1, r0, #8
    movs    r3, #1
    lsls    r3, #31
    orrs    r1, r3
    lsrs    r1, r2
    asrs    r0, #31
    eors    r1, r0
    subs    r0, r1, r0
    bx      lr
2:  movs    r0, #0
    bx      lr
    @ From 2^31 on.
3:  lsls    r1, r0, #1
    movs    r2, #255
    lsls    r2, #24
    cmp     r1, r2
    bhi     2b
    movs    r1, #1
    lsls    r1, #31
    cmp     r0, #0
    bmi     4f
    subs    r1, #1
4:  movs    r0, r1
    bx      lr
    .size __aeabi_f2iz, . - __aeabi_f2iz
