/**
 * A language model for LangChain4j on top of the public API.
 */
package dev.isthmus.examples.langchain4j;
