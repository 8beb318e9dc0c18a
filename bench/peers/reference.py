"""One optimiser step of the published PyTorch code (github.com/f-dangel/hbp), on parameters and a batch of our own.

Needs Python 3 with PyTorch 1.13, the last release whose functions are those that the published code calls (Debian 12:
apt-get install python3-torch), and a checkout of the published code. NumPy is used if it is there. The published code
runs as it is; the packages that it imports without needing them for a step have stand-ins below.

Arguments: the checkout's directory, the number of threads, and the device (cpu, cuda, ...; cpu if absent).

Reads one request a line from standard input and answers each with one line, "ok <value>" or "error <why>":

    info                   "ok <text>": versions, BLAS library, threads, device
    task <json>            "ok <n>": a network of n parameters with a new optimiser, in place of the one before
    step <count> [<file>]  "ok <json>": so many steps of it; the parameters after the first of them go to the file

The task: {"model": "mlp-cifar10" | "c4d3" | "3c3d", "activation": "sigmoid" | "relu" | "tanh", "optimizer": an
optimiser as experiment files write it, with all its values, "parameters": file, "batch": file}.

The answer to step: {"seconds": one number a step, "phases": one {"forward", "backward", "curvature", "solve"} a step,
in seconds (solve is the optimiser's step with its update), "loss": before the first step, "iterations": CG iterations
of the first step as one list a parameter, one number a block ([] for optimisers without CG), "peakBytes": resident
memory of this process at most so far}. Every step begins with the parameters of the task's file, which are put back
outside the clock; the optimiser keeps its state from step to step.

Files hold little-endian float32 numbers and nothing else. Parameters: layer by layer, weight then bias, linear weights
[out, in], convolution kernels [height, width, in, out], the inputs of a linear layer behind pictures in the order
height, width, channel. Batches: all pictures [N, 32, 32, 3], then the N labels as numbers.
"""

import contextlib
import ctypes
import json
import math
import sys
import time
import types
import warnings

import torch
from torch import nn

from torch_steps import information, resident

PICTURE = (32, 32, 3)
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}


class Flatten(nn.Module):
    """Stands in for backpack.core.layers.Flatten."""

    def forward(self, input):
        return input.view(input.size(0), -1)


def net_cifar10_3c3d(num_outputs):
    """Stands in for the network of that name of DeepOBS; the paddings are those of TensorFlow's "same"."""
    net = nn.Sequential()
    for name, module in (
        ("conv1", nn.Conv2d(3, 64, 5)),
        ("relu1", nn.ReLU()),
        ("maxpool1", nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2))),
        ("conv2", nn.Conv2d(64, 96, 3)),
        ("relu2", nn.ReLU()),
        ("maxpool2", nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2))),
        ("conv3", nn.Sequential(nn.ZeroPad2d((1, 1, 1, 1)), nn.Conv2d(96, 128, 3))),
        ("relu3", nn.ReLU()),
        ("maxpool3", nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2))),
        ("flatten", Flatten()),
        ("dense1", nn.Linear(1152, 512)),
        ("relu4", nn.ReLU()),
        ("dense2", nn.Linear(512, 256)),
        ("relu5", nn.ReLU()),
        ("dense3", nn.Linear(256, num_outputs)),
    ):
        net.add_module(name, module)
    return net


def stand_in(name, **attributes):
    """Put a module of that name, with its parents, where imports look first."""
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        part = ".".join(parts[:i])
        if part not in sys.modules:
            sys.modules[part] = types.ModuleType(part)
            if i > 1:
                setattr(sys.modules[".".join(parts[: i - 1])], parts[i - 1], sys.modules[part])
    sys.modules[name].__dict__.update(attributes)


def stand_ins():
    stand_in("backpack.core.layers", Flatten=Flatten)
    stand_in("backpack.hessianfree.hvp", hessian_vector_product=None)
    stand_in("backpack.hessianfree.utils", vector_to_parameter_list=None)
    modules = types.SimpleNamespace(net_cifar10_3c3d=net_cifar10_3c3d)
    stand_in("deepobs.pytorch.testproblems", testproblems_modules=modules)
    try:
        import numpy  # noqa: F401
    except ImportError:
        stand_in("numpy", prod=math.prod)


def create_network(model, activation, optimizer):
    """The published code's own construction of the network for the optimiser, parameters as they come."""
    from bpexts.cvp.sequential import convert_torch_to_cvp
    from exp.models import chen2018, convolution

    act = ACTIVATIONS[activation]
    newton = optimizer["kind"] == "cg-newton"
    if model == "mlp-cifar10":
        if activation != "sigmoid":
            raise ValueError("the published MLP has sigmoid activations only")
        if not newton:
            return chen2018.cifar10_model()
        if optimizer["curvature"] != "hbp":
            return convert_torch_to_cvp(chen2018.cifar10_model())
        averaged = {"average_input_jacobian": True, "average_parameter_jacobian": True}
        if optimizer["blocks"] == 1:
            return chen2018.hbp_cifar10_model(**averaged)
        return chen2018.hbp_split_cifar10_model(optimizer["blocks"], **averaged)
    create = {"c4d3": convolution.cifar10_c4d3, "3c3d": convolution.deepobs_cifar10_c3d3}[model]
    network = create(conv_activation=act, dense_activation=act)
    if newton and optimizer["curvature"] != "cvp":
        raise ValueError("the published experiments have exact products (cvp) for convolutional networks")
    return convert_torch_to_cvp(network) if newton else network


def create_loss(optimizer):
    from bpexts.cvp.sequential import convert_torch_to_cvp
    from bpexts.hbp.crossentropy import HBPCrossEntropyLoss

    if optimizer["kind"] != "cg-newton":
        return nn.CrossEntropyLoss()
    return HBPCrossEntropyLoss() if optimizer["curvature"] == "hbp" else convert_torch_to_cvp(nn.CrossEntropyLoss())


def create_optimizer(network, spec):
    from bpexts.optim.cg_newton import CGNewton
    from exp.third_party.optimizers.kfac import KFACOptimizer

    kind, lr = spec["kind"], spec["lr"]
    if kind == "sgd":
        return torch.optim.SGD(network.parameters(), lr=lr, momentum=spec["momentum"])
    if kind == "adam":
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(spec["beta1"], spec["beta2"]), eps=spec["eps"])
    if kind == "kfac":
        return KFACOptimizer(
            model=network,
            lr=lr,
            momentum=spec["momentum"],
            stat_decay=spec["statDecay"],
            damping=spec["damping"],
            kl_clip=spec["klClip"],
            weight_decay=spec["weightDecay"],
            TCov=spec["TCov"],
            TInv=spec["TInv"],
            batch_averaged=True,
        )
    if kind == "cg-newton":
        return CGNewton(
            network.parameters(),
            lr=lr,
            alpha=spec["alpha"],
            cg_atol=spec["atol"],
            cg_tol=spec["tol"],
            cg_maxiter=spec["maxiter"],
        )
    raise ValueError("unknown optimizer " + kind)


class CountedCg:
    """The published CG solver under its own name; counts the products, of which the first is with x = 0."""

    def __init__(self):
        from bpexts.optim import cg_newton

        self.iterations = []
        self._cg = cg_newton.cg
        cg_newton.cg = self

    def __call__(self, A, b, **options):
        products = 0

        def product(v):
            nonlocal products
            products += 1
            return A(v)

        result = self._cg(product, b, **options)
        self.iterations.append(products - 1)
        return result


class Slot:
    """One weight or bias in our layout, and the parameters of the published network that hold its rows."""

    def __init__(self, parameters, pictures):
        self.parameters = parameters
        rows = sum(p.size(0) for p in parameters)
        self.shape = (rows,) + tuple(parameters[0].shape[1:])  # theirs
        self.pictures = pictures  # (height, width, channel) of a flattened input, or None
        self.size = math.prod(self.shape)

    def from_ours(self, flat):
        if len(self.shape) == 4:
            out, channels, height, width = self.shape
            return flat.view(height, width, channels, out).permute(3, 2, 0, 1)
        if len(self.shape) == 2 and self.pictures:
            return flat.view(-1, *self.pictures).permute(0, 3, 1, 2).reshape(self.shape)
        return flat.view(self.shape)

    def to_ours(self):
        whole = torch.cat([p.data for p in self.parameters])
        if len(self.shape) == 4:
            whole = whole.permute(2, 3, 1, 0)
        elif len(self.shape) == 2 and self.pictures:
            height, width, channels = self.pictures
            whole = whole.view(-1, channels, height, width).permute(0, 2, 3, 1)
        return whole.reshape(-1)

    def put(self, whole):
        row = 0
        for p in self.parameters:
            p.data.copy_(whole[row : row + p.size(0)])
            row += p.size(0)


def slots_of(network):
    """All slots in the order of layers, weight before bias."""
    slots = []
    shape = PICTURE
    x = torch.zeros(1, PICTURE[2], PICTURE[0], PICTURE[1], device=next(network.parameters()).device)
    for module in network.children():
        with torch.no_grad():
            y = module(x)
        parameters = dict(module.named_parameters())
        for kind in ("weight", "bias"):
            blocks = [p for name, p in parameters.items() if name.split(".")[-1] == kind]
            if blocks:
                slots.append(Slot(blocks, shape))
        if x.dim() == 4 and y.dim() == 2:
            shape = (x.size(2), x.size(3), x.size(1))  # the next linear layer sees these pictures flattened
        elif parameters:
            shape = None
        x = y
    return slots


def read_floats(file):
    with open(file, "rb") as stream:
        return torch.frombuffer(bytearray(stream.read()), dtype=torch.float32)


def write_floats(file, tensor):
    tensor = tensor.contiguous().cpu()
    with open(file, "wb") as stream:
        stream.write(ctypes.string_at(tensor.data_ptr(), 4 * tensor.numel()))


class Task:
    """A network, its optimiser, and what every step begins with."""

    def __init__(self, model, activation, optimizer, parameters, batch, device):
        self.spec = optimizer
        self.device = device
        self.network = create_network(model, activation, optimizer).to(device)
        self.slots = slots_of(self.network)
        given = read_floats(parameters)
        sizes = [slot.size for slot in self.slots]
        if given.numel() != sum(sizes):
            raise ValueError(f"{parameters} has {given.numel()} numbers, {model} has {sum(sizes)} parameters")
        self.start = [
            slot.from_ours(flat).contiguous().to(device) for slot, flat in zip(self.slots, given.split(sizes))
        ]
        self.loss = create_loss(optimizer)
        self.optimizer = create_optimizer(self.network, optimizer)
        numbers = read_floats(batch)
        pixels = math.prod(PICTURE)
        count = numbers.numel() // (pixels + 1)
        if count * (pixels + 1) != numbers.numel():
            raise ValueError(f"{batch} is no whole number of pictures with labels")
        pictures = numbers[: count * pixels].view(count, *PICTURE).permute(0, 3, 1, 2)
        self.inputs = pictures.contiguous().to(device)
        self.labels = numbers[count * pixels :].long().to(device)

    def restore(self):
        for slot, whole in zip(self.slots, self.start):
            slot.put(whole)

    def parameters(self):
        return torch.cat([slot.to_ours() for slot in self.slots])

    def step(self):
        """As Training.run of exp/training/training.py. Returns the loss and the moments between its phases."""
        clock = [self._now()]
        outputs = self.network(self.inputs)
        loss = self.loss(outputs, self.labels)
        clock.append(self._now())
        self.optimizer.zero_grad()
        newton = self.spec["kind"] == "cg-newton"
        if newton:
            hbp = self.spec["curvature"] == "hbp"
            hessian = (
                self.loss.batch_summed_hessian(loss, outputs)
                if hbp
                else self.loss.backward_hessian(None, compute_input_hessian=True)
            )
        loss.backward()
        clock.append(self._now())
        if newton:
            self.network.backward_hessian(
                hessian, compute_input_hessian=False, modify_2nd_order_terms=self.spec["secondOrder"]
            )
        clock.append(self._now())
        self.optimizer.step()
        value = loss.item()
        clock.append(self._now())
        return value, clock

    def iterations(self, counts):
        """The counts of one step, in the order of the network's parameters, gathered by slot."""
        if not counts:
            return []
        by_parameter = {id(p): n for p, n in zip(self.network.parameters(), counts)}
        return [[by_parameter[id(p)] for p in slot.parameters] for slot in self.slots]

    def _now(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def run_steps(task, cg, count, file):
    seconds, phases = [], []
    for i in range(count):
        task.restore()
        cg.iterations.clear()
        value, clock = task.step()
        seconds.append(clock[-1] - clock[0])
        names = ("forward", "backward", "curvature", "solve")
        phases.append({name: end - begin for name, begin, end in zip(names, clock, clock[1:])})
        if i == 0:
            loss, iterations = value, task.iterations(cg.iterations)
            if file is not None:
                write_floats(file, task.parameters())
    answer = {
        "seconds": seconds,
        "phases": phases,
        "loss": loss if math.isfinite(loss) else None,
        "iterations": iterations,
        "peakBytes": resident("VmHWM"),
    }
    return json.dumps(answer)


def main():
    directory, threads = sys.argv[1], int(sys.argv[2])
    device = torch.device(sys.argv[3] if len(sys.argv) > 3 else "cpu")
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    stand_ins()
    sys.path.insert(0, directory)
    cg = CountedCg()
    task = None
    for line in sys.stdin:
        try:
            name, _, rest = line.strip().partition(" ")
            # The published K-FAC prints what it works on.
            with contextlib.redirect_stdout(sys.stderr):
                if name == "info":
                    result = "published code on " + information(device)
                elif name == "task":
                    task = None  # its memory first
                    task = Task(**json.loads(rest), device=device)
                    result = str(sum(slot.size for slot in task.slots))
                elif name == "step":
                    count, *file = rest.split(" ", 1)
                    result = run_steps(task, cg, int(count), file[0] if file else None)
                else:
                    raise ValueError("unknown request " + name)
            print("ok", result, flush=True)
        except Exception as error:  # the other side is told and decides
            print("error", type(error).__name__, str(error).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
