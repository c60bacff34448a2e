/**
 * Whether a model's files are sound and which published model they are: structure, shapes, statistics of the numbers,
 * hashes of files and tensors. Nothing here changes a file.
 */
package dev.isthmus.tools.verify;
