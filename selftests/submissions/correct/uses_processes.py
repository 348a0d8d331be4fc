# Computes in processes of its own: pools, locks, queues, pipes, shared memory, programs.
# base: brief
import concurrent.futures
import math
import multiprocessing
import operator
import subprocess
import sys
from multiprocessing import shared_memory

for method in ("fork", "spawn"):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map(math.sqrt, [1, 4, 9]) == [1, 2, 3]
    lock, semaphore, event, value = context.Lock(), context.Semaphore(2), context.Event(), context.Value("i", 3)
    with lock, semaphore, value.get_lock():
        value.value += 1
    queue, process = context.Queue(), context.Process(target=operator.add, args=(1, 2))
    queue.put(1)
    assert queue.get(timeout=60) == 1
    process.start()
    process.join()
    assert process.exitcode == 0
    sleeper = context.Process(target=event.wait)
    sleeper.start()
    sleeper.terminate()
    sleeper.join()
with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
    assert list(executor.map(math.sqrt, [1, 4])) == [1, 2]
memory = shared_memory.SharedMemory(create=True, size=1 << 20)
np.ndarray((10,), np.float32, memory.buf)[:] = 1
memory.close()
memory.unlink()
torch.zeros(1000).share_memory_()
assert subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout == "42\n"
assert subprocess.run("echo $HOME | wc -l", shell=True, capture_output=True, text=True).stdout.strip() == "1"
program = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
program.kill()
assert program.wait() < 0
