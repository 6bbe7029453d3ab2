@ Root, comparisons and conversions of floats: see add.s for what holds of all of them.

    .syntax unified
    .thumb

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
    .size __aeabi_fcmp\mirrored, . - __aeabi_fcmp\mirrored
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
    .size __aeabi_i2f, . - __aeabi_i2f

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
    .size __aeabi_ui2f, . - __aeabi_ui2f

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
