@ Division of whole numbers for ARMv6-M (Cortex-M0+), which has no instruction for it, in place of the compiler's library:
@ the run-time ABI's names and registers (IHI 0043). A divisor of zero gives zero, and the dividend as the rest; Rust never
@ asks.

    .syntax unified
    .thumb

@ unsigned __aeabi_uidiv(unsigned n, unsigned d), and __aeabi_uidivmod with the rest in r1. As many turns as the quotient
@ has bits, there and back.
    .section .text.__aeabi_uidiv, "ax"
    .p2align 2
    .global __aeabi_uidiv
    .type __aeabi_uidiv, %function
    .thumb_func
__aeabi_uidiv:
    .global __aeabi_uidivmod
    .type __aeabi_uidivmod, %function
    .thumb_func
__aeabi_uidivmod:
    movs    r2, #0
    cmp     r1, #0
    beq     5f
    movs    r3, #1
    lsrs    r2, r0, #1
1:  cmp     r1, r2
    bhi     2f
    lsls    r1, #1
    lsls    r3, #1
    b       1b
2:  movs    r2, #0
3:  cmp     r0, r1
    blo     4f
    subs    r0, r1
    adds    r2, r3
4:  lsrs    r1, #1
    lsrs    r3, #1
    bne     3b
5:  movs    r1, r0
    movs    r0, r2
    bx      lr
    .size __aeabi_uidiv, . - __aeabi_uidiv
