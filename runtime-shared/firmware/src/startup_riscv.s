# Start-up of a 32-bit RISC-V core in machine mode, from the first address of flash.

    .section .vector_table, "ax"
    .global reset
reset:
    la sp, _stack_top
    la t0, fault
    csrw mtvec, t0

    la t0, _data_start
    la t1, _data_end
    la t2, _data_load
1:  bgeu t0, t1, 2f
    lw t3, 0(t2)
    sw t3, 0(t0)
    addi t0, t0, 4
    addi t2, t2, 4
    j 1b

2:  la t0, _bss_start
    la t1, _bss_end
3:  bgeu t0, t1, 4f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 3b

4:  la t0, _stack_bottom        # paint the stack, to see later how much of it was used
    li t2, {paint}
5:  bgeu t0, sp, 6f
    sw t2, 0(t0)
    addi t0, t0, 4
    j 5b

6:  call main
7:  j 7b

    .balign 4                   # mtvec holds multiples of four
