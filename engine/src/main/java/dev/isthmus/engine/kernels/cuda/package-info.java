/**
 * The operations on an NVIDIA GPU: our CUDA kernels and cuBLAS on one stream, device memory, and decode steps
 * recorded as CUDA graphs. Everything that talks to the driver is here, and only this package may know of streams,
 * events and graphs.
 */
package dev.isthmus.engine.kernels.cuda;
