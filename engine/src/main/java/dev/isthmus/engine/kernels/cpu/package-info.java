/**
 * The operations on the CPU: our C kernels at the best instruction set of the machine, or plain Java and OpenBLAS
 * without them, and the team of worker threads that splits an operation. A result's bits do not depend on the number
 * of threads. Each call of C follows a check of shapes and bounds; knowledge of models does not belong here.
 */
package dev.isthmus.engine.kernels.cpu;
