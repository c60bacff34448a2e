/**
 * How a command gets its model: the flags that say which and how, the directory or cache where it lies, and its loading
 * with progress. What a command does with it is not known here.
 */
package dev.isthmus.tools.model;
