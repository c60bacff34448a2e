/**
 * Programs to start from, one file each, that use nothing but the public API. A test runs each of them.
 */
package dev.isthmus.examples;
