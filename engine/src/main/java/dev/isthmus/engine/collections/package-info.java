/**
 * Collections of primitive values that several packages need and the JDK does not have. What the values mean is not
 * known here.
 */
package dev.isthmus.engine.collections;
