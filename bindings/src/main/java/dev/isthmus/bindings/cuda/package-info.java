/**
 * What jextract generates from NVIDIA's cuda.h, the driver API, filtered to what is called; the list of names and the
 * script that writes these files lie in bindings/jextract. Nothing here is edited by hand.
 */
package dev.isthmus.bindings.cuda;
