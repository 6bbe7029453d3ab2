@ Start-up of a Cortex-M: vector table and reset handler, in the instructions that ARMv6-M has.

    .syntax unified
    .thumb

    .section .vector_table, "a"
    .global vector_table
vector_table:
    .word _stack_top
    .word reset
    .rept 13                    @ NMI, faults, SVC, debug, PendSV and what is reserved between them
    .word fault
    .endr
    .word tick                  @ SysTick

    .section .text.reset, "ax"
    .global reset
    .type reset, %function
    .thumb_func
reset:
    ldr r0, =_stack_top         @ for those who jump here without the vector table's help
    mov sp, r0
    ldr r0, =0xe000ed08         @ VTOR, which a boot loader may have left elsewhere
    ldr r1, =vector_table
    str r1, [r0]

    ldr r0, =_data_start
    ldr r1, =_data_end
    ldr r2, =_data_load
1:  cmp r0, r1
    bhs 2f
    ldr r3, [r2]
    str r3, [r0]
    adds r0, #4
    adds r2, #4
    b 1b

2:  ldr r0, =_bss_start
    ldr r1, =_bss_end
    movs r2, #0
3:  cmp r0, r1
    bhs 4f
    str r2, [r0]
    adds r0, #4
    b 3b

4:  ldr r0, =_stack_bottom      @ paint the stack, to see later how much of it was used
    mov r1, sp
    ldr r2, ={paint}
5:  cmp r0, r1
    bhs 6f
    str r2, [r0]
    adds r0, #4
    b 5b

6:  ldr r0, ={fpu}              @ CPACR, or nothing where there is no FPU to switch on
    cmp r0, #0
    beq 7f
    ldr r1, [r0]
    movs r2, #0xf
    lsls r2, r2, #20            @ full access to coprocessors 10 and 11 (ARMv7-M ARM, B3.2.20)
    orrs r1, r2
    str r1, [r0]
    dsb
    isb
7:  bl main
8:  b 8b

    .size reset, . - reset
    .ltorg
