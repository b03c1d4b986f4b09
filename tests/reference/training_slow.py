"""One step of a dense model, one operator after another, in plain Python."""

import itertools
import math


def product(m, n, k, rate, ridge, terms, device_area=4.0e6):
    """Forward, input gradient and weight gradient."""
    out = []
    for rows, columns in ((m, n), (m, k), (k, n)):
        ideal = 2.0 * m * n * k / rate
        out.append(ideal * (1.0 + ridge * (1 / m + 1 / n + 1 / k) + terms.area * device_area / (rows * columns)))
    return out


def bent(reach):
    """A share of the peak, kept below 0.95."""
    return reach / (1.0 + (reach / 0.95) ** 8) ** (1 / 8)


def gathered(device, group):
    """Share of the links: a straight line between the figures for 2, 4, 8 and 64."""
    doublings = math.log2(max(group, 2.0))
    known = [(1.0, device.gather2), (2.0, device.gather4), (3.0, device.gather8), (6.0, device.gather64)]
    for (low, start), (high, end) in itertools.pairwise(known):
        if doublings <= high:
            return start + (end - start) * (doublings - low) / (high - low)
    return device.gather64


def latency(group, terms):
    return terms.latency_s * (0.75 + 0.25 * math.log2(max(group, 1.0)))


def ring(size, group, stride, device, terms):
    inner = min(max(device.domain / stride, 1.0), group)
    outer = group / inner
    link = terms.link * device.link_bytes_per_s * gathered(device, inner)
    seconds = size * (inner - 1) / inner / link
    seconds += size / inner * (outer - 1) / outer / (terms.network * device.network_bytes_per_s)
    hops = outer - 1 + (0.25 * (group - outer) if outer > 1 else 0.0)
    return seconds, latency(group, terms) + terms.hop_s * hops


def step_seconds(shape, layout, device, stack, terms):
    """Dense decoder, fused attention, 16 bits, optimizer sharded or whole, no context or expert ways, no offload."""
    pace = device.reach * min(max(device.watts_per_tflop, 0.6), 2.0) ** terms.watts * stack.power_share**terms.power
    pace /= 1.0 + terms.youth * math.exp(-stack.age_years)
    pace /= 1.0 + (terms.community - 1.0) * stack.community
    anchored = 0.83 * (device.kernel / 0.83) ** terms.anchor
    rate, ridge = device.peak * bent(anchored * terms.gemm16 * pace), terms.ridge * device.peak / device.bytes_per_s
    logit_rate = device.peak16 * bent(0.83 * (device.kernel16 / 0.83) ** terms.anchor * terms.gemm16 * pace)
    logit_ridge = terms.ridge * device.peak16 / device.bytes_per_s
    stream = 0.85 * device.bytes_per_s / terms.elementwise / (1.0 + (terms.community - 1.0) * stack.community)
    share = pace * terms.flash * terms.flash_step ** (stack.flash - 2.0)
    share *= layout.seq / (layout.seq + terms.flash_length)
    share *= (min(shape.head_dim, 128.0) / 128.0) ** terms.head_width
    core_rate = device.peak16 * bent(share)

    tokens, tp, whole = layout.mbs * layout.seq, layout.tp, layout.tp if layout.sp > 0 else 1.0
    shapes = [
        (shape.qkv_width / tp, shape.hidden),
        (shape.hidden, shape.out_width / tp),
        ((shape.matrices - 1.0) * shape.ffn / tp, shape.hidden),
        (shape.hidden, shape.ffn / tp),
    ]
    layers = int(shape.layers)
    forward = inputs = weights = core = core_back = traffic = moved = 0.0
    for _ in range(layers):
        for n, k in shapes:
            f, d, w = product(tokens, n, k, rate, ridge, terms)
            forward, inputs, weights = forward + f, inputs + d, weights + w
        fused = 2.0 * tokens / tp * shape.core_full * layout.seq / 2.0 / core_rate
        core, core_back = core + fused, core_back + 2.5 * fused
        wide = 3.0 * (shape.qkv_width + shape.out_width) + (shape.matrices + 1.0) * shape.ffn
        moved += 2.0 * tokens * (9.0 * shape.hidden / whole + wide / tp)
        if tp > 1:
            seconds, steps = ring(2.0 * tokens * shape.hidden, tp, 1.0, device, terms)
            traffic += 2 * (2.0 * seconds + (2.0 if layout.sp > 0 else 1.0) * steps)
    share = 1.0 / layout.pp
    f, d, w = product(tokens, shape.vocab / tp, shape.hidden, logit_rate, logit_ridge, terms)
    head = f + d + w + 24.0 * tokens * shape.vocab / tp / stream
    accumulated = terms.accumulate * 8.0 * shape.params_dense / tp / layout.pp / (0.85 * device.bytes_per_s)
    accumulated = ((share * weights) ** 3 + accumulated**3) ** (1 / 3) - share * weights
    waited = 0.6 if layout.sp > 0 else 0.5
    exposed = terms.exposed_tp if device.pieces else waited + 0.25 * (1.0 - waited)
    tensor = exposed * traffic * (2.5 if layout.sp > 0 else 2.0) * share
    again = layout.recompute * share * (forward + core + moved / stream + exposed * traffic)
    busy = share * (forward + inputs + weights + core + core_back + 2.6 * moved / stream + head)
    busy += accumulated + again + tensor
    calls = layers * (12.0 + 9.0) * (2.0 + layout.recompute) * (1.2 if tp > 1 else 1.0) * share
    host = terms.host_op_s * calls
    one = (busy**3 + host**3) ** (1 / 3) + terms.gap_s * calls

    chunks = layout.pp * layout.vpp
    most = math.ceil(layers / chunks - 1e-9) * layout.vpp
    layer = (busy - head * share) * layout.pp / layers
    last = max(most - (math.ceil(layers / chunks - 1e-9) * chunks - layers), 0.0) * layer + head
    excess = terms.imbalance * max(max(most * layer, last) - one, 0.0) if layout.pp > 1 else 0.0
    total = 0.0
    for _ in range(int(layout.accum)):
        total += one + excess
    total += (layout.pp - 1) / layout.vpp * (one + excess)
    if layout.pp > 1:
        size = 2.0 * tokens * shape.hidden / whole
        near = tp * layout.pp <= device.domain
        line = (
            terms.link * device.link_bytes_per_s * device.gather8
            if near
            else terms.network * device.network_bytes_per_s
        )
        sends = 2.0 * layout.vpp * (layout.accum + layout.pp - 1)
        total += terms.exposed_pp * sends * (size / line + terms.latency_s)
    own_edge = 2.0 * shape.params_table / tp / layout.pp
    dense = shape.params_dense / tp / layout.pp
    if layout.dp > 1:
        seconds, steps = ring(layout.gradient_bytes * (dense + own_edge), layout.dp, tp, device, terms)
        if layout.zero >= 1:
            calls = max((dense + own_edge) / max(4e7, 1e6 * layout.dp), 1.0)
            reduce = (1.0 + 2.0 / layout.gradient_bytes) * seconds + 2.0 * calls * steps
        else:
            reduce = 2.0 * seconds + latency(layout.dp, terms)
        window = one if layout.zero >= 1 else one * 2.0 / 3.0
        if layout.vpp > 1:
            window = max(window, one * min(layout.pp * (layout.vpp - 1.0) / layout.vpp, layout.accum))
        total += terms.exposed_dp * min(reduce, window) + max(reduce - window, 0.0)
    table = shape.params_table / tp if layout.pp > 1 else (2.0 - shape.tied) * shape.params_table / tp
    own = dense + table
    trained = own / (layout.dp if layout.zero >= 1 else 1.0)
    touched = 28.0 * trained + layout.gradient_bytes * own
    total += terms.step_s + terms.optimizer * touched / (0.85 * device.bytes_per_s)
    return total * (1.0 + terms.straggler * math.log2(layout.tp * layout.dp))
