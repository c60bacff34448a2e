/**
 * What jextract generates from isthmus.h, the header of our own kernels, filtered to what is called; the list of
 * names and the script that writes these files lie in bindings/jextract. Nothing here is edited by hand.
 */
package dev.isthmus.bindings.isthmus;
