@ Product and quotient of floats: see add.s for what holds of all of them.

    .syntax unified
    .thumb

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
    @ One is infinite, since zero times what is finite has its answer. The sum of their classes (0 zero, 1 finite,
    @ 2 infinite) is 2 only with a zero.
6:  adds    r2, r3
    cmp     r2, #2
    beq     7f
    movs    r2, #255
    b       2b
7:  bl      __sim_float_nan
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
5:  movs    r2, #255
    bl      __sim_float_pack
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

@ The field of X in r0 with E in r2, from -222, and the sign in r6. Uses r2, r3, r4.
    .size __sim_float_operands, . - __sim_float_operands

    .type __sim_float_pack, %function
    .thumb_func
__sim_float_pack:
    cmp     r2, #254
    bgt     4f
    subs    r2, #1
    bpl     2f
    rsbs    r2, r2, #0
    movs    r3, r0
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

    .size __sim_float_pack, . - __sim_float_pack

    .type __sim_float_nan, %function
    .thumb_func
__sim_float_nan:
    movs    r0, #255
    lsls    r0, #1
    adds    r0, #1
    lsls    r0, #22
    bx      lr
    .size __sim_float_nan, . - __sim_float_nan
