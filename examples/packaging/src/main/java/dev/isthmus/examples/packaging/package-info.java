/**
 * One program, to be packaged on the class path, on the module path, as an image and as a fat jar. Its test builds
 * and runs all four.
 */
package dev.isthmus.examples.packaging;
