package dev.isthmus.tools.convert;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.convert.ConvertedTensor;
import dev.isthmus.engine.convert.Gpt2Conversion;
import dev.isthmus.engine.files.ByteSink;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.engine.model.Gpt2Loader;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.TensorSource;
import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BiConsumer;

/**
 * Writes a model with its weights in another type, as a directory in the Hugging Face layout or as a GGUF file. The
 * result appears under its name when it is complete.
 */
public final class Conversion {

    private final Path in;
    private final Path out;
    private final TargetType type;
    private final Optional<WeightType> packed;
    private final BiConsumer<Long, Long> progress;
    private long total;
    private long done;

    /**
     * What was written.
     *
     * @param files the files, by name
     * @param tensors the tensors in the order of the files; what rounding changed is in each
     * @param unused the tensors of the model that it does not need and that were left out
     * @param losses what else the format has no place for: sentences for the user
     */
    public record Result(List<String> files, List<ConvertedTensor> tensors, List<TensorInfo> unused,
            List<String> losses) {}

    /**
     * Prepares a conversion.
     *
     * @param in a model directory or a GGUF file
     * @param out what to write; nothing may be there
     * @param packed whether a directory is to hold the matrices in the engine's own form even where the type does not
     *     ask for it
     * @param progress told (bytes written, bytes in all)
     */
    public Conversion(Path in, Path out, TargetType type, boolean packed, BiConsumer<Long, Long> progress) {
        this.in = in;
        this.out = out;
        this.type = type;
        this.packed = packed || type.stored().isEmpty() ? type.packed() : Optional.empty();
        this.progress = progress;
    }

    /**
     * Writes a directory in the Hugging Face layout.
     *
     * @param shardBytes the most bytes of tensors in a file; empty for one file
     * @throws CommandException if OUT exists, cannot be written, or the type is none of safetensors
     * @throws dev.isthmus.engine.errors.EngineException if IN cannot be read or converted
     */
    public Result toDirectory(OptionalLong shardBytes) {
        if (!type.inSafetensors()) {
            throw new CommandException(type.title() + " is a type of GGUF files only; let OUT end in .gguf, or choose"
                    + " int8");
        }
        try (Checkpoint checkpoint = open();
                Backend backend = Backends.cpu(Runtime.getRuntime().availableProcessors());
                NewPath target = NewPath.directory(out)) {
            Gpt2Config config = Gpt2Config.read(in);
            Gpt2Conversion weights = new Gpt2Conversion(checkpoint, config);
            List<ConvertedTensor> tensors = packed
                    .map(form -> weights.packed(form, backend.weights(), Runtime.getRuntime().availableProcessors()))
                    .orElseGet(() -> weights.plain(type.stored().orElseThrow()));
            Map<String, String> metadata = packed.map(Gpt2Conversion::packedMetadata).orElse(Map.of("format", "pt"));
            HuggingFaceDirectory directory = new HuggingFaceDirectory(target.path());
            directory.writeTexts(in, config, type);
            directory.writeWeights(watched(tensors), metadata, shardBytes);
            List<String> files = directory.files();
            target.publish();
            return new Result(files, tensors, Gpt2Loader.unused(checkpoint, config), List.of());
        } catch (IOException e) {
            throw cannotWrite(e);
        }
    }

    /**
     * Writes a GGUF file.
     *
     * @throws CommandException if OUT exists, cannot be written, or the type is not written to GGUF files
     * @throws dev.isthmus.engine.errors.EngineException if IN cannot be read or converted, or is no model that llama.cpp
     *     computes
     */
    public Result toGguf() {
        int fileType = type.ggufFileType().orElseThrow(() -> new CommandException("GGUF files are written in f32, f16"
                + " or q8_0, not in " + type.title() + "; choose one of these, or a directory as OUT"));
        try (Checkpoint checkpoint = open(); NewPath target = NewPath.file(out)) {
            Gpt2Config config = Gpt2Config.read(in);
            List<ConvertedTensor> tensors = new Gpt2Conversion(checkpoint, config).gguf(type.stored().orElseThrow());
            Optional<Tokenizer> tokenizer = Tokenizer.open(in);
            GgufModel.write(target.path(), name(), config, tokenizer, fileType, watched(tensors));
            target.publish();
            return new Result(List.of(out.getFileName().toString()), tensors, Gpt2Loader.unused(checkpoint, config),
                    GgufModel.losses(config, tokenizer.orElseThrow()));
        } catch (IOException e) {
            throw cannotWrite(e);
        }
    }

    private Checkpoint open() {
        if (Files.isRegularFile(in) && !in.toString().endsWith(".gguf")) {
            throw new CommandException(in + ": expected a model directory or a file that ends in .gguf; a file of weights"
                    + " alone has no configuration: name its directory");
        }
        return Checkpoint.open(in);
    }

    private CommandException cannotWrite(IOException e) {
        return new CommandException(out + ": cannot be written (" + e
                + "); check the directory, its permissions and the space on its disk", e);
    }

    /** The model's name for others to show: the directory's or the file's. */
    private String name() {
        String name = in.toAbsolutePath().normalize().getFileName().toString();
        return name.endsWith(".gguf") ? name.substring(0, name.length() - ".gguf".length()) : name;
    }

    private List<TensorSource> watched(List<ConvertedTensor> tensors) {
        total = tensors.stream().mapToLong(TensorSource::bytes).sum();
        return tensors.stream().<TensorSource>map(Watched::new).toList();
    }

    /** A tensor that tells of each piece that was written. */
    private final class Watched implements TensorSource {

        private final TensorSource tensor;

        Watched(TensorSource tensor) {
            this.tensor = tensor;
        }

        @Override
        public String name() {
            return tensor.name();
        }

        @Override
        public StoredType type() {
            return tensor.type();
        }

        @Override
        public Shape shape() {
            return tensor.shape();
        }

        @Override
        public void writeTo(ByteSink out) throws IOException {
            tensor.writeTo(bytes -> {
                out.write(bytes);
                done += bytes.byteSize();
                progress.accept(done, total);
            });
        }
    }
}
