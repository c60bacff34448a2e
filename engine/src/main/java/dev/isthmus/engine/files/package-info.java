/**
 * Files below any format: regular files, text and UTF-8, JSON, what downloads leave instead of a file, the
 * limit of memory while reading, how a file's text appears in messages, and new files that appear when they are
 * complete. What the files mean is not known here.
 */
package dev.isthmus.engine.files;
