'use strict';

// The network from its stem to its head as a table of blocks.
(function (app) {
  const blockOf = (block) => (block && typeof block === 'object' && 'block' in block ? block : { block });
  const blocksOf = (stage) => (Array.isArray(stage) ? stage : stage === null || stage === undefined ? [] : [stage]);

  const row = (part, block, cells, i) => {
    const { name, family } =
      typeof block.block === 'string' && block.block in cells ? { name: block.block, family: 'cell' } : app.operation(block.block);
    const width = block.width === 'classes' ? 'classes' : (block.width ?? '');
    return [
      app.h('span', { class: 'block' }, i ? '' : part),
      app.h('span', { class: 'block' }, app.swatch(family), app.cut(name, 60)),
      String(width),
      String(block.stride ?? ''),
      String(block.repeat ?? ''),
    ];
  };

  /** The table of an architecture's blocks. */
  app.stages = (architecture) => {
    const cells = architecture.cells || {};
    const parts = [
      ['stem', blocksOf(architecture.stem)],
      ...blocksOf(architecture.stages).map((stage, i) => [`stage ${i + 1}`, blocksOf(stage)]),
      ['head', blocksOf(architecture.head)],
      ...blocksOf(architecture.aux).map((aux) => [`aux after stage ${(aux.after ?? 0) + 1}`, blocksOf(aux.head)]),
    ];
    const rows = parts.flatMap(([part, blocks]) => blocks.map((block, i) => row(part, blockOf(block), cells, i)));
    return app.table(['part', 'block', ['width', 'number'], ['stride', 'number'], ['repeat', 'number']], rows, 'Stages of the network');
  };
})(window.nasReport);
