import {StrictMode} from 'react';
import {createRoot} from 'react-dom/client';
import {Classifier} from './guide.jsx';

const tokens = Array.from({length: 40}, (_, i) => i);
const page = document.createElement('main');
document.body.replaceChildren(page);
createRoot(page).render(
  <StrictMode>
    <Classifier tokens={tokens} />
  </StrictMode>,
);
