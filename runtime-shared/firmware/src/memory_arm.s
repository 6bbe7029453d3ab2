@ Copying and clearing memory for every Arm core, in place of the compiler's library, which unrolls for speed what the
@ firmware does seldom: the run-time ABI's names (IHI 0043). Words go in fours where both sides are aligned, bytes else.

    .syntax unified
    .thumb

@ void __aeabi_memcpy(void *to, const void *from, size_t bytes)
    .section .text.__aeabi_memcpy, "ax"
    .p2align 2
    .global __aeabi_memcpy
    .type __aeabi_memcpy, %function
    .thumb_func
__aeabi_memcpy:
    mov     r3, r0
    orrs    r3, r1
    lsls    r3, #30
    bne     4f
    .global __aeabi_memcpy4
    .type __aeabi_memcpy4, %function
    .thumb_func
__aeabi_memcpy4:
    .global __aeabi_memcpy8
    .type __aeabi_memcpy8, %function
    .thumb_func
__aeabi_memcpy8:
    subs    r2, #16
    blo     2f
    push    {r4, r5, r6}
1:  ldmia   r1!, {r3, r4, r5, r6}
    stmia   r0!, {r3, r4, r5, r6}
    subs    r2, #16
    bhs     1b
    pop     {r4, r5, r6}
2:  adds    r2, #12
    blo     3f
1:  ldmia   r1!, {r3}
    stmia   r0!, {r3}
    subs    r2, #4
    bhs     1b
3:  adds    r2, #4
4:  subs    r2, #1
    blo     6f
5:  ldrb    r3, [r1]
    strb    r3, [r0]
    adds    r1, #1
    adds    r0, #1
    subs    r2, #1
    bhs     5b
6:  bx      lr
    .size __aeabi_memcpy, . - __aeabi_memcpy

@ void __aeabi_memclr(void *to, size_t bytes)
    .section .text.__aeabi_memclr, "ax"
    .p2align 2
    .global __aeabi_memclr
    .type __aeabi_memclr, %function
    .thumb_func
__aeabi_memclr:
    movs    r2, #0
    lsls    r3, r0, #30
    bne     4f
    .global __aeabi_memclr4
    .type __aeabi_memclr4, %function
    .thumb_func
__aeabi_memclr4:
    .global __aeabi_memclr8
    .type __aeabi_memclr8, %function
    .thumb_func
__aeabi_memclr8:
    movs    r2, #0
    subs    r1, #16
    blo     2f
    push    {r4, r5}
    movs    r3, #0
    movs    r4, #0
    movs    r5, #0
1:  stmia   r0!, {r2, r3, r4, r5}
    subs    r1, #16
    bhs     1b
    pop     {r4, r5}
2:  adds    r1, #12
    blo     3f
1:  stmia   r0!, {r2}
    subs    r1, #4
    bhs     1b
3:  adds    r1, #4
4:  subs    r1, #1
    blo     6f
5:  strb    r2, [r0]
    adds    r0, #1
    subs    r1, #1
    bhs     5b
6:  bx      lr
    .size __aeabi_memclr, . - __aeabi_memclr
