@ Single-precision arithmetic for Arm cores without floats, in place of the compiler's library. It is written in the
@ instructions of ARMv6-M (Cortex-M0+), which every later one has.
@
@ The names and the calling convention are those of Arm's run-time ABI (IHI 0043, "Floating-point library"): operands
@ in r0 and r1, result in r0, and nothing but r0 to r3 and r12 changed. Results are those of IEEE 754 to the bit, rounded
@ to nearest even, subnormals included. A NaN among the operands comes back quiet, with any sign; any other is 0x7fc00000.
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
    .type __sim_float_difference, %function
    .thumb_func
__sim_float_difference:
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
    .size __sim_float_difference, . - __sim_float_difference

    .global __aeabi_fsub
    .type __aeabi_fsub, %function
    .thumb_func
__aeabi_fsub:
    movs    r2, #1
    lsls    r2, #31
    eors    r1, r2
    .size __aeabi_fsub, . - __aeabi_fsub

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
