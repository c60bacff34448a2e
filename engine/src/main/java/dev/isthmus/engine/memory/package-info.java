/**
 * The memory of the machine or the container, and the one budget that all models of the process share: weights, keys
 * and values, and what passes compute in. What the memory is used for is not known here.
 */
package dev.isthmus.engine.memory;
