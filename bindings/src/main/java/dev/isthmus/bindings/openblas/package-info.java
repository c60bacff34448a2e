/**
 * What jextract generates from OpenBLAS's cblas.h, filtered to what is called; the list of names and the script that
 * writes these files lie in bindings/jextract. Nothing here is edited by hand.
 */
package dev.isthmus.bindings.openblas;
