'use strict';

// What is drawn of an architecture: each cell, or graph of layers, as boxes and arrows between them.
(function (app) {
  const range = (count) => Array.from({ length: count }, (_, i) => i);

  const edgesOf = (node) => (Array.isArray(node) ? node : node.edges);

  const outputsOf = (cell, inputs) => {
    if (Array.isArray(cell.output)) return cell.output;
    const read = new Set(cell.nodes.flatMap((node) => edgesOf(node).map((edge) => edge.from)));
    return range(inputs + cell.nodes.length).filter((state) => !read.has(state) && (state >= inputs || cell.unused_inputs));
  };

  const back = (state, inputs) => (state === inputs - 1 ? 'one block back' : 'two blocks back');

  /** A cell: its input states, an operation an edge, what combines those of a node, the output. Left to right. */
  const ofCell = (cell, name) => {
    const inputs = cell.inputs ?? 2;
    const boxes = range(inputs).map((state) => ({ id: `s${state}`, kind: 'state', first: `state ${state}`, second: back(state, inputs) }));
    const arrows = [];
    cell.nodes.forEach((node, i) => {
      const state = inputs + i;
      const edges = edgesOf(node);
      boxes.push({ id: `s${state}`, kind: 'state', first: edges.length > 1 ? node.combine || 'add' : '', second: `state ${state}` });
      edges.forEach((edge, k) => {
        boxes.push({
          id: `o${state}-${k}`,
          kind: 'op',
          ...app.operation(edge.op),
          note: `${app.operation(edge.op).note} of state ${edge.from}`,
        });
        arrows.push([`s${edge.from}`, `o${state}-${k}`], [`o${state}-${k}`, `s${state}`]);
      });
    });
    const outputs = outputsOf(cell, inputs);
    boxes.push({ id: 'out', kind: 'state', first: outputs.length > 1 ? 'concat' : '', second: 'output' });
    arrows.push(...outputs.map((state) => [`s${state}`, 'out']));
    return { name, direction: 'LR', boxes, arrows, said: sayCell(cell, name, inputs, outputs) };
  };

  const sayCell = (cell, name, inputs, outputs) => {
    const nodes = cell.nodes.map((node, i) => {
      const edges = edgesOf(node);
      const parts = edges.map((edge) => `${app.operation(edge.op).name} of ${edge.from}`).join(', ');
      return `state ${inputs + i} is ${edges.length > 1 ? `${node.combine || 'add'} of ` : ''}${parts}`;
    });
    return `Cell ${name}: ${nodes.join('; ')}; output is ${outputs.map((state) => `state ${state}`).join(' with ')}`;
  };

  const endsOf = (graph, behind) => {
    const count = graph.layers.length;
    if (graph.output === 'last') return [count];
    const read = new Set(graph.layers.flatMap((layer) => layer.reads || []));
    return range(count)
      .map((i) => i + 1)
      .filter((state) => !read.has(state) && !(behind && state < count));
  };

  /** A graph of layers: state 0 is the input, each layer adds one; the sets they read are joined before or behind them. Top to bottom. */
  const ofLayers = (graph, name) => {
    const behind = graph.sets === 'behind';
    const boxes = [{ id: 's0', kind: 'state', first: '', second: 'input' }];
    const arrows = [];
    const end = ['s0'];
    graph.layers.forEach((layer, i) => {
      const reads = layer.reads || [];
      boxes.push({ id: `l${i}`, kind: 'op', ...app.operation(layer.op), second: layerDetail(graph, layer, i) });
      const sources = behind ? [end[i]] : (reads.length ? reads : [0]).map((state) => end[state]);
      arrows.push(...sources.map((source) => [source, `l${i}`]));
      if (behind && i) {
        boxes.push({ id: `j${i}`, kind: 'state', first: '', second: reads.length ? 'concat, conv 1x1' : 'conv 1x1' });
        arrows.push([`l${i}`, `j${i}`], ...reads.map((state) => [end[state], `j${i}`]));
      }
      end.push(behind && i ? `j${i}` : `l${i}`);
    });
    const ends = endsOf(graph, behind);
    boxes.push({ id: 'out', kind: 'state', first: ends.length > 1 ? 'concat' : '', second: 'output' });
    arrows.push(...ends.map((state) => [end[state], 'out']));
    return { name, direction: 'TB', boxes, arrows, said: sayLayers(graph, name) };
  };

  const sayLayers = (graph, name) => `${name}: ${graph.layers.map(sayLayer).join('; ')}`;

  const sayLayer = (layer, i) => {
    const reads = layer.reads?.length ? ` and reads ${layer.reads.join(', ')}` : '';
    return `layer ${i + 1} is ${app.operation(layer.op).name}${reads}`;
  };

  const layerDetail = (graph, layer, i) => {
    const parts = [`layer ${i + 1}`];
    if (layer.width) parts.push(`width ${layer.width}`);
    if (layer.stride > 1) parts.push(`stride ${layer.stride}`);
    if (graph.sets !== 'behind' && layer.reads?.length > 1) parts.push(`concat of ${layer.reads.length}`);
    if ((graph.reduce || []).includes(i)) parts.push('halved before');
    return parts.join(', ');
  };

  const MOST = 12;

  /** Every cell and graph of layers in a value, the outer ones first. */
  const inner = (value, name, found) => {
    if (value === null || typeof value !== 'object' || found.length >= MOST) return;
    if (Array.isArray(value.cell?.nodes)) found.push(ofCell(value.cell, name || `cell ${found.length + 1}`));
    if (Array.isArray(value.layers?.layers)) found.push(ofLayers(value.layers, name || `layers ${found.length + 1}`));
    for (const item of Object.values(value)) inner(item, name && `inside ${name.replace(/^inside /, '')}`, found);
  };

  /** The graphs of an architecture. */
  app.graphs = (architecture) => {
    const found = [];
    for (const [name, cell] of Object.entries(architecture.cells || {})) inner(cell, name, found);
    inner({ ...architecture, cells: null }, '', found);
    return found;
  };
})(window.nasReport);
