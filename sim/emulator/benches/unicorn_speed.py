"""Runs the benchmark's image in unicorn, with a hook on every instruction that counts, and prints how many a second."""
import sys
import time

from unicorn import UC_ARCH_ARM, UC_HOOK_CODE, UC_MODE_MCLASS, UC_MODE_THUMB, Uc

image = open(sys.argv[1], "rb").read()
machine = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
machine.mem_map(0, 1 << 20)
machine.mem_map(0x20000000, 1 << 20)
machine.mem_write(0, image)
count = 0


def hook(*_):
    global count
    count += 1


machine.hook_add(UC_HOOK_CODE, hook)
LIMIT = 1_000_000
started = time.process_time()
# The exit sequence begins behind the loop: 8 bytes of vectors, 10 instructions.
machine.emu_start(8 | 1, 8 + 20, count=LIMIT)
print(count / (time.process_time() - started))
sys.exit(0 if count == LIMIT else 1)
