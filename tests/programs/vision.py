"""Images and signals: convolutions of all kinds, filters, pooling, transforms."""

from __future__ import annotations

import numpy as np

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()
rng = np.random.default_rng(2)
K3 = rng.normal(size=(3, 3, 4, 4)).astype("f4") * 0.2
K1 = rng.normal(size=(1, 1, 4, 6)).astype("f4")
KD = rng.normal(size=(3, 3, 1, 4)).astype("f4")
SCALE, SHIFT = rng.uniform(0.5, 2, 4).astype("f4"), rng.normal(size=4).astype("f4")


def windows(x, kernel, strides=(1, 1), dilation=(1, 1), groups=1):
    """Convolution of N, H, W, C in plain NumPy, VALID."""
    kh, kw, ci, co = kernel.shape
    h = max((x.shape[1] - dilation[0] * (kh - 1) - 1) // strides[0] + 1, 0)
    w = max((x.shape[2] - dilation[1] * (kw - 1) - 1) // strides[1] + 1, 0)
    out = np.zeros((x.shape[0], h, w, co))
    for i in range(kh):
        for j in range(kw):
            part = x[:, i * dilation[0] :: strides[0], j * dilation[1] :: strides[1]][:, :h, :w].astype("f8")
            for g in range(groups):
                o = slice(g * co // groups, (g + 1) * co // groups)
                out[..., o] += part[..., g * ci : (g + 1) * ci] @ kernel[i, j][:, o].astype("f8")
    return out.astype(x.dtype)


def images(*shape):
    return lambda r, n: (r.normal(size=(n, *shape)).astype("f4"),)


@PROGRAMS.add(images(9, 7, 4), (0, 1, 3), x="f32[n, 9, 7, 4]", reference=lambda x: windows(x, K3, (2, 1)))
def strided(x):
    return tcc.nn.conv2d(x, K3, strides=(2, 1))


@PROGRAMS.add(images(9, 7, 4), (1, 2), x="f32[n, h, w, 4]", reference=lambda x: windows(x, K3, dilation=(3, 2)))
def dilated(x):
    return tcc.nn.conv2d(x, K3, dilation=(3, 2))


@PROGRAMS.add(
    images(5, 6, 4),
    (1, 2),
    x="f32[n, 5, 6, 4]",
    reference=lambda x: (
        windows(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), KD, groups=4),
        windows(x, K3[:, :, :2], groups=2),
    ),
)
def grouped(x):
    """Depthwise with SAME padding, and two groups."""
    return tcc.nn.conv2d(x, KD, padding="SAME", groups=4), tcc.nn.conv2d(x, K3[:, :, :2], groups=2)


@PROGRAMS.add(images(8, 8, 4), (1, 3), x="f32[n, h, w, 4]")
def residual_block(x):
    """Two normalised convolutions with a shortcut, pooling and a global mean, with folded batch norm."""
    h = tcc.nn.relu(tcc.nn.conv2d(x, K3, padding="SAME") * SCALE + SHIFT)
    h = tcc.nn.relu(tcc.nn.conv2d(h, K3, padding="SAME") * SCALE + SHIFT + x)
    pooled = tcc.nn.max_pool2d(h, 2)
    return tcc.nn.conv2d(pooled, K1).mean(axis=(1, 2)), tcc.nn.avg_pool2d(h, 3, strides=2, padding="SAME")


@PROGRAMS.add(images(7, 6), (1, 2), x="f32[n, h, w]")
def pooling_by_reshape(x):
    """2×2 max and mean pooling by slices, and a 3×3 median by sorting shifted copies."""
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    a = x[:, :h, :w]
    corners = np.stack([a[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    around = np.stack([p[:, i : i + x.shape[1], j : j + x.shape[2]] for i in range(3) for j in range(3)], axis=-1)
    return corners.max(axis=0), corners.mean(axis=0), np.sort(around, axis=-1)[..., 4]


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, n + 1)),), (1, 2, 5, 16), x="f64[h, w]")
def sobel(x):
    """Gradient magnitude and direction, thresholded edges, of an image with its edge repeated."""
    p = np.pad(x, 1, mode="edge")
    gx = p[:-2, 2:] + 2 * p[1:-1, 2:] + p[2:, 2:] - p[:-2, :-2] - 2 * p[1:-1, :-2] - p[2:, :-2]
    gy = p[2:, :-2] + 2 * p[2:, 1:-1] + p[2:, 2:] - p[:-2, :-2] - 2 * p[:-2, 1:-1] - p[:-2, 2:]
    size = np.hypot(gx, gy)
    return size, np.arctan2(gy, gx), size > 0.5 * size.max()


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n).astype("f4"), r.normal(size=5).astype("f4")),
    (5, 6, 40),
    x="f32[n]",
    taps="f32[k]",
    reference=lambda x, taps: (np.convolve(x, taps, "full"), np.convolve(x, taps, "valid")),
)
def fir(x, taps):
    """np.convolve by gathers of windows, and by padding."""
    n, k = x.shape[0], taps.shape[0]
    p = np.pad(x, (k - 1, k - 1))
    places = tcc.arange(n + k - 1)[:, None] + tcc.arange(k)
    return np.take(p, places) @ taps[::-1], np.take(x, tcc.arange(n - k + 1)[:, None] + tcc.arange(k)) @ taps[::-1]


@PROGRAMS.add(lambda r, n: (r.normal(size=(2, n)),), (4, 5, 30), x="f64[channels, n:4..]", tolerance=1e-12)
def moving_averages(x):
    """A window of four by cumulative sums, an exponential average by scan, drawdown by running maxima."""
    total = np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1)
    window = (total[:, 4:] - total[:, :-4]) / 4
    smooth = tcc.scan(lambda s, v: (s + 0.3 * (v - s),) * 2, x[:, 0], x.T)[1].T
    peak = tcc.scan(lambda m, v: (np.maximum(m, v),) * 2, x[:, 0], x.T)[1].T
    return window, smooth, peak - x


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n) + 0j,),
    (1, 2, 5, 16),
    x="c128[n]",
    reference=lambda x: (np.fft.fft(x), np.abs(np.fft.fft(x)) ** 2),
    tolerance=1e-11,
)
def fourier(x):
    """The discrete Fourier transform as a product with a matrix of roots of unity."""
    n = x.shape[0]
    k = tcc.arange(n)
    angle = -2 * np.pi * (k[:, None] * k % n) / n
    spectrum = (np.cos(angle) + 1j * np.sin(angle)) @ x
    return spectrum, spectrum.real**2 + spectrum.imag**2


@PROGRAMS.add(lambda r, n: (r.integers(0, 256, (n, 4, 3)).astype("u1"),), image="u8[h, w, 3]")
def colours(image):
    """Luma, inversion, channel swap, gamma by table, saturation, a checker overlay."""
    f = image.astype(np.float32) / 255
    luma = f @ np.array([0.299, 0.587, 0.114], "f4")
    table = (255 * (np.arange(256) / 255) ** 0.45).astype("u1")
    high, low = f.max(axis=-1), f.min(axis=-1)
    return (
        luma,
        255 - image,
        image[..., ::-1],
        tcc.take(table, image),
        np.where(high > 0, (high - low) / np.where(high > 0, high, 1), 0),
    )


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 12, 3)).astype("f4"), r.normal(size=(5, 3, 4)).astype("f4")),
    (1, 3),
    x="f32[n, t, c]",
    k="f32[width, c, o]",
    reference=lambda x, k: windows(np.pad(x, ((0, 0), (8, 0), (0, 0)))[:, None], k[None], dilation=(1, 2))[:, 0],
)
def causal_conv1d(x, k):
    """A dilated causal convolution in one dimension."""
    return tcc.convolution(x, k, padding=[(8, 0)], rhs_dilation=2)


def reconstruction(p, x):
    h = tcc.nn.relu(tcc.nn.conv2d(x, p["down"], strides=2, padding="SAME"))
    up = np.repeat(np.repeat(h, 2, axis=1), 2, axis=2)
    y = tcc.nn.conv2d(up, p["up"], padding="SAME")
    return np.mean((y - x) ** 2)


@PROGRAMS.add(
    lambda r, n: (
        {"down": r.normal(size=(3, 3, 2, 3)) * 0.3, "up": r.normal(size=(3, 3, 3, 2)) * 0.3},
        r.normal(size=(n, 6, 4, 2)),
    ),
    (1, 2),
    p={"down": "f64[3, 3, 2, c]", "up": "f64[3, 3, c, 2]"},
    x="f64[n, 6, 4, 2]",
)
def autoencoder_step(p, x):
    """A training step of a convolutional autoencoder."""
    loss, g = tcc.value_and_grad(reconstruction)(p, x)
    return loss, {k: p[k] - 0.1 * g[k] for k in p}
