"""One step of gradient descent in PyTorch: the peer of bench/sgd-step.ts.

Needs Python 3 with PyTorch 1.13 or later (Debian: apt-get install python3-torch) and nothing else; NumPy is not used.

Reads one request a line from standard input and answers each with one line, "ok <value>" or "error <why>":

    info                           "ok <text>": versions, BLAS library, threads, device
    step <network> <batch> <n>     seconds a step over n steps, after one without a clock; mlp or c4d3
    memory <network> <batch> <n>   "ok <baseline> <peak>": resident bytes after the import and at most during n steps

A step is the forward pass, the mean cross-entropy, the backward pass, an update with momentum 0.9, and reading the
loss. `memory` means something in a fresh process only.

Arguments: the number of threads, and the device (cpu, cuda, ...; cpu if absent).
"""

import resource
import sys
import time

import torch
from torch import nn

MEAN = (0.49139968, 0.48215841, 0.44653091)
STD = (0.24703223, 0.24348513, 0.26158784)


def mlp():
    """The network of experiment exp01: Xavier normal weights, bias 0."""
    widths = (3072, 1024, 512, 256, 128, 64, 32, 16, 10)
    layers = [nn.Flatten()]
    for fan_in, fan_out in zip(widths, widths[1:]):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Sigmoid()]
    return nn.Sequential(*layers[:-1])


def c4d3():
    """The network of experiment exp08, with PyTorch's own initialisation."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.Sigmoid(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.Sigmoid(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.Sigmoid(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.Sigmoid(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2048, 512),
        nn.Sigmoid(),
        nn.Linear(512, 64),
        nn.Sigmoid(),
        nn.Linear(64, 10),
    )


NETWORKS = {"mlp": (mlp, 0.1), "c4d3": (c4d3, 0.001)}


class Task:
    """A network, a batch of random normalised pictures and an optimiser."""

    def __init__(self, network, batch, device):
        torch.manual_seed(0)
        create, lr = NETWORKS[network]
        self.model = create().to(device)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=0.9)
        pictures = torch.randint(0, 256, (batch, 3, 32, 32)).float() / 255
        mean, std = (torch.tensor(x).reshape(1, 3, 1, 1) for x in (MEAN, STD))
        self.inputs = ((pictures - mean) / std).to(device)
        self.labels = torch.randint(0, 10, (batch,)).to(device)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(self.inputs), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_steps(task, count, device):
    task.step()
    synchronize(device)
    start = time.perf_counter()
    for _ in range(count):
        task.step()
    synchronize(device)
    return (time.perf_counter() - start) / count


def resident(field):
    """VmRSS (now) or VmHWM (at most so far) in bytes.

    Where there is no /proc, both are getrusage's maximum. That one survives exec on Linux, so it could be the maximum
    of the process that started this one.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximum if sys.platform == "darwin" else maximum * 1024


def blas_library():
    """Names of the BLAS libraries that are loaded, which decide the speed of a product."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            files = {line.split()[-1].split("/")[-1] for line in maps if "/" in line}
    except OSError:
        return "unknown BLAS"
    names = sorted(file for file in files if any(part in file.lower() for part in ("blas", "mkl_core")))
    return " ".join(names) or "BLAS inside of PyTorch"


def information(device):
    parts = ["PyTorch " + torch.__version__, blas_library()]
    if torch.backends.mkldnn.is_available():
        parts += [line.strip(" -") for line in torch.__config__.show().split("\n") if "MKL-DNN" in line][:1]
    parts += [f"{torch.get_num_threads()} threads"]
    if device.type == "cuda":
        parts += [torch.cuda.get_device_name(device)]
    return ", ".join(parts)


def answer(words, tasks, device, baseline):
    name = words[0]
    if name == "info":
        return information(device)
    network, batch, count = words[1], int(words[2]), int(words[3])
    if (network, batch) not in tasks:
        tasks[network, batch] = Task(network, batch, device)
    task = tasks[network, batch]
    if name == "step":
        return repr(time_steps(task, count, device))
    if name == "memory":
        for _ in range(count):
            task.step()
        return f"{baseline} {resident('VmHWM')}"
    raise ValueError("unknown request " + name)


def main():
    baseline = resident("VmRSS")
    torch.set_num_threads(int(sys.argv[1]))
    device = torch.device(sys.argv[2] if len(sys.argv) > 2 else "cpu")
    tasks = {}
    for line in sys.stdin:
        try:
            print("ok", answer(line.split(), tasks, device, baseline), flush=True)
        except Exception as error:  # the other side is told and decides
            print("error", type(error).__name__, str(error).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
