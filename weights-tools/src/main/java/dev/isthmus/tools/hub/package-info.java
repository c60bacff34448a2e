/**
 * The Hugging Face hub and its cache on disk, as Python's huggingface_hub lays it out: names, settings, downloads
 * that continue where they were interrupted, and locks. This is the only place that uses the network; what a model
 * is, beyond the names of its files, is not known here.
 */
package dev.isthmus.tools.hub;
